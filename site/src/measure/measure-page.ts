// Owns the benchmark that a visitor runs and takes away: the page's model on the processor and, where there is one, on the GPU.
import { loadInWorker } from 'onebit/browser';
import { download, el, errorBox, field, isAbort, scrollBox } from '../dom.ts';
import { digits, milliseconds } from '../format.ts';
import type { ModelSlot } from '../model-slot.ts';
import { commaSeparated, describeMachine, type Machine, markdown, type Row } from './machine.ts';

const KEY = 'measured';
const MOST_ROWS = 50;

export class MeasurePage {
  readonly #slot: ModelSlot;
  readonly #machine = el('p', { class: 'numbers' });
  readonly #backend = el(
    'select',
    {},
    el('option', { value: 'wasm' }, 'processor (WebAssembly)'),
    el('option', { value: 'webgpu' }, 'graphics (WebGPU)'),
    el('option', { value: 'both' }, 'both, one after the other'),
  );
  readonly #prompt = el('input', { type: 'number', min: 1, max: 4096, value: 128 });
  readonly #tokens = el('input', { type: 'number', min: 1, max: 2048, value: 64 });
  readonly #runs = el('input', { type: 'number', min: 1, max: 20, value: 3 });
  readonly #start = el('button', { class: 'primary' }, 'Measure');
  readonly #stop = el('button', { type: 'button', hidden: true }, 'Stop');
  readonly #status = el('p', { role: 'status' });
  readonly #table = scrollBox('Rows');
  readonly #export = el('div', { class: 'row', hidden: true });
  #rows: Row[] = [];
  #running: AbortController | undefined;

  constructor(root: HTMLElement, slot: ModelSlot) {
    this.#slot = slot;
    try {
      const found = JSON.parse(localStorage.getItem(KEY) ?? '[]');
      if (Array.isArray(found)) this.#rows = found;
    } catch {} // nothing of ours
    const form = el(
      'form',
      { class: 'card' },
      el(
        'div',
        { class: 'grid wide' },
        field('Computes on', this.#backend),
        field('Prompt, tokens', this.#prompt),
        field('Answer, tokens', this.#tokens),
        field('Runs', this.#runs),
      ),
      el('div', { class: 'row end' }, this.#status, this.#stop, this.#start),
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#measure();
    });
    this.#stop.addEventListener('click', () => this.#running?.abort(new DOMException('Stopped.', 'AbortError')));
    const copy = el('button', { type: 'button' }, 'Copy as Markdown');
    copy.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(markdown(this.#rows));
        this.#status.textContent = 'Copied.';
      } catch {
        this.#status.textContent = 'The browser does not let this page copy. Download the rows instead.';
      }
    });
    const clear = () => {
      this.#rows = [];
      this.#show();
    };
    this.#export.append(
      copy,
      el(
        'button',
        {
          type: 'button',
          onclick: () => download('onebit-measured.json', JSON.stringify(this.#rows, null, 2), 'application/json'),
        },
        'Download JSON',
      ),
      el(
        'button',
        { type: 'button', onclick: () => download('onebit-measured.csv', commaSeparated(this.#rows), 'text/csv') },
        'Download CSV',
      ),
      el('button', { type: 'button', onclick: clear }, 'Clear'),
    );
    root.append(
      el(
        'div',
        { class: 'intro' },
        el('h1', {}, 'Measure'),
        el(
          'p',
          {},
          'How fast the chosen model runs on this machine: reading a prompt (prefill) and writing an answer (decode). The median of the runs after one that warms up. Close what else computes, and take the row with you.',
        ),
        this.#machine,
      ),
      form,
      el('section', { class: 'card' }, el('h2', {}, 'Rows'), this.#table, this.#export),
    );
    this.#show();
    void describeMachine().then((machine) => {
      const { browser, platform, cores, isolated, gpu } = machine;
      const threads = isolated
        ? ''
        : ', one thread because the page is not cross-origin isolated (reload once: the page can isolate itself)';
      this.#machine.textContent = `${browser} on ${platform}, ${cores} cores${threads}${gpu ? `, GPU: ${gpu}` : ', no WebGPU'}`;
      if (!gpu) for (const option of this.#backend.options) option.disabled = option.value !== 'wasm';
    });
  }

  async #measure(): Promise<void> {
    const running = new AbortController();
    this.#running = running;
    this.#start.disabled = true;
    this.#stop.hidden = false;
    const { value } = this.#backend;
    try {
      const machine = await describeMachine();
      for (const backend of value === 'both' ? (['wasm', 'webgpu'] as const) : ([value] as ('wasm' | 'webgpu')[])) {
        this.#rows.unshift(await this.#one(backend, machine, running.signal));
        this.#rows.length = Math.min(this.#rows.length, MOST_ROWS);
        this.#show();
      }
      this.#status.textContent = 'Done.';
    } catch (error) {
      this.#status.replaceChildren(isAbort(error) ? 'Stopped.' : errorBox(error));
    }
    this.#running = undefined;
    this.#start.disabled = false;
    this.#stop.hidden = true;
  }

  /** Loads the model anew, in a worker of its own, so that the chat's engine neither helps nor hinders. */
  async #one(backend: 'wasm' | 'webgpu', machine: Machine, signal: AbortSignal): Promise<Row> {
    const { input, label, fileBytes = 0 } = this.#slot.choice;
    const [promptTokens, genTokens, runs] = [this.#prompt, this.#tokens, this.#runs].map(({ value }) => Number(value));
    this.#status.textContent = `Loading ${label} (${backend}) …`;
    const began = performance.now();
    const model = await loadInWorker(input, { backend, signal });
    try {
      const loadMs = performance.now() - began;
      const { contextTokens, threads, adapter = '', decodeWeightBytes } = model.info;
      const room = contextTokens - 1;
      const request = {
        promptTokens: Math.min(promptTokens, room - Math.min(genTokens, room >> 1)),
        genTokens: Math.min(genTokens, room >> 1),
        runs,
      };
      this.#status.textContent = `Measuring ${label} (${backend}) …`;
      const { prefill, decode, step } = await model.speed(request, { signal });
      return {
        date: new Date().toISOString(),
        browser: machine.browser,
        platform: machine.platform,
        cores: machine.cores,
        isolated: machine.isolated,
        adapter,
        model: label,
        fileBytes,
        backend,
        threads,
        ...request,
        loadMs,
        prefill: prefill.median,
        decode: decode.median,
        decodeBest: decode.best,
        bytesPerSecond: decode.median * decodeWeightBytes,
        dispatchesPerToken: step?.dispatches,
        readBackBytesPerToken: step?.readBackBytes,
      };
    } finally {
      model.dispose();
    }
  }

  #show(): void {
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#rows));
    } catch {} // they are on the page all the same
    this.#export.hidden = this.#rows.length === 0;
    if (this.#rows.length === 0) {
      this.#table.replaceChildren(el('p', {}, 'None yet.'));
      return;
    }
    const head = ['model', 'computes on', 'prefill, tokens/s', 'decode, tokens/s', 'reads', 'load', 'when'];
    const rows = this.#rows.map((row) =>
      el(
        'tr',
        {},
        el('th', { scope: 'row' }, row.model),
        el('td', {}, row.backend === 'wasm' ? `wasm × ${row.threads}` : `webgpu (${row.adapter})`),
        el('td', {}, digits(row.prefill)),
        el('td', {}, el('b', {}, digits(row.decode)), ` (best ${digits(row.decodeBest)})`),
        el('td', {}, `${digits(row.bytesPerSecond / 1e9)} GB/s`),
        el('td', {}, milliseconds(row.loadMs)),
        el('td', {}, new Date(row.date).toLocaleString()),
      ),
    );
    this.#table.replaceChildren(
      el(
        'table',
        {},
        el('thead', {}, el('tr', {}, ...head.map((name) => el('th', { scope: 'col' }, name)))),
        el('tbody', {}, ...rows),
      ),
    );
  }
}
