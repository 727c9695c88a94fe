// Owns choosing a model: what there is, what a name or file would need, downloading with progress, what is kept. Must not know the chat beyond whom it asks.
import { listModels, type ModelOutline, outlineModel, removeModel } from 'onebit/browser';
import type { ChatPage } from './chat/chat-page.ts';
import { askServer, serverModels } from './chat/talkers.ts';
import { el, errorBox, field, isAbort } from './dom.ts';
import { bytes, count, digits } from './format.ts';
import { forgetModel } from './kept.ts';
import { serverBase } from './model-button.ts';
import { EMBEDDED, type ModelChoice, type ModelSlot } from './model-slot.ts';

/** Session storage: the key for the server's models. */
const KEY = 'server key';

/** Models that are a click away: what they take, and tokens a second on the machine of docs/browser.md, of which a browser's speed here is guessed. */
const GALLERY = [
  { name: 'prism-ml/Bonsai-1.7B-gguf', label: 'Bonsai 1.7B', about: 'answers questions, quick', fileBytes: 248e6 },
  { name: 'prism-ml/Bonsai-4B-gguf', label: 'Bonsai 4B', about: 'knows more', fileBytes: 572e6 },
  { name: 'prism-ml/Bonsai-8B-gguf', label: 'Bonsai 8B', about: 'the best of them', fileBytes: 1.15e9 },
] as const;
const EXAMPLES = GALLERY.map(({ name }) => name);
/** Bytes of weights read in a second: two threads of a laptop of 2025, 99.7 tokens/s of the 1.7B. Decoding is about as fast as weights are read. */
const BYTES_PER_SECOND_AND_THREAD = (99.7 * 248e6) / 2;

export class ModelDialog {
  readonly #slot: ModelSlot;
  readonly #chat: ChatPage;
  readonly #named: (name: string) => void;
  readonly #list = el('ul', { class: 'models' });
  readonly #found = el('div', { class: 'found' });
  readonly #name = el('input', {
    name: 'name',
    list: 'model-names',
    placeholder: 'owner/name, or https://…/model.gguf',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  readonly #token = el('input', { type: 'password', autocomplete: 'off', placeholder: 'only for private models' });
  readonly #backend = el(
    'select',
    {},
    el('option', { value: 'auto' }, 'the best here'),
    el('option', { value: 'wasm' }, 'processor (WebAssembly)'),
    el('option', { value: 'webgpu' }, 'graphics (WebGPU)'),
  );
  readonly #context = el('input', { type: 'number', min: 32, step: 32, placeholder: 'as the model has, at most 4096' });
  readonly #dialog: HTMLDialogElement;
  #looking: AbortController | undefined;

  constructor(slot: ModelSlot, chat: ChatPage, named: (name: string) => void) {
    this.#slot = slot;
    this.#chat = chat;
    this.#named = named;
    const file = el('input', { type: 'file', accept: '.gguf', class: 'unseen', id: 'model-file' });
    file.addEventListener('change', () => {
      if (file.files?.[0]) void this.#look(file.files[0], file.files[0].name);
      file.value = '';
    });
    const form = el(
      'form',
      {},
      field('From the Hugging Face hub, or an address', this.#name),
      el('datalist', { id: 'model-names' }, ...EXAMPLES.map((value) => el('option', { value }))),
      el(
        'div',
        { class: 'row' },
        el('button', { class: 'primary' }, 'Look it up'),
        el('label', { class: 'button', for: 'model-file', tabindex: -1 }, 'Choose a file'),
        file,
        el('small', {}, 'or drop a .gguf file anywhere'),
      ),
      el(
        'details',
        {},
        el('summary', {}, 'More'),
        el(
          'div',
          { class: 'grid' },
          field('Computes on', this.#backend),
          field('Context, tokens', this.#context),
          field('Access token', this.#token),
        ),
      ),
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const name = this.#name.value.trim();
      if (name !== '') void this.#look(name, name.split('/').at(-1)!);
    });
    const close = el(
      'button',
      { type: 'button', class: 'icon-button close', 'aria-label': 'Close', onclick: () => this.#dialog.close() },
      '×',
    );
    this.#dialog = el(
      'dialog',
      { class: 'panel', 'aria-labelledby': 'model-title' },
      close,
      el('h2', { id: 'model-title' }, 'Choose a model'),
      this.#list,
      form,
      this.#found,
    );
    this.#dialog.addEventListener('close', () => this.#looking?.abort(new DOMException('Closed.', 'AbortError')));
    this.#dialog.addEventListener('click', (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
    document.body.append(this.#dialog);
  }

  open(file?: File): void {
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#found.replaceChildren();
    void this.#fillList();
    if (file) void this.#look(file, file.name);
  }

  async #fillList(): Promise<void> {
    const use = (choice: ModelChoice) => () => void this.#load(choice);
    const { choice } = this.#slot;
    const items = [
      this.#item(
        EMBEDDED.label,
        `${bytes(EMBEDDED.fileBytes!)}, in this page`,
        use(EMBEDDED),
        choice.input === undefined,
      ),
    ];
    if (choice.input !== undefined && typeof choice.input !== 'string') {
      items.push(this.#item(choice.label, 'now in use', () => this.#dialog.close(), true));
    }
    for (const model of await listModels().catch(() => [])) {
      const size = model.complete
        ? bytes(model.storedBytes)
        : `${bytes(model.storedBytes)} of ${bytes(model.sizeBytes ?? 0)}, unfinished`;
      const remove = async () => {
        try {
          await removeModel(model.name);
          await this.#fillList();
        } catch (error) {
          this.#found.replaceChildren(errorBox(error));
        }
      };
      const label = model.name
        .split('/')
        .at(-1)!
        .replace(/\.gguf$/i, '');
      const kept = { input: model.name, label, fileBytes: model.sizeBytes, keep: true };
      items.push(this.#item(label, `${size}, kept in this browser`, use(kept), choice.input === model.name, remove));
    }
    const there = new Set((await listModels().catch(() => [])).map(({ name }) => name));
    const threads = this.#slot.model?.info.threads ?? 1;
    for (const { name, label, about, fileBytes } of GALLERY) {
      if (there.has(name)) continue;
      const speed = (Math.min(threads, 4) * BYTES_PER_SECOND_AND_THREAD) / fileBytes;
      const detail = `${about}; downloads ${bytes(fileBytes)}, up to ${digits(speed)} tokens/s with ${threads} thread${threads === 1 ? '' : 's'} here`;
      const chosen: ModelChoice = { ...this.#options(), input: name, label, fileBytes, keep: true };
      items.push(this.#item(label, detail, use(chosen), choice.input === name));
    }
    this.#list.replaceChildren(...items, ...(await this.#serverItems()));
  }

  #item(label: string, detail: string, use: () => void, isUsed: boolean, remove?: () => void): HTMLLIElement {
    return el(
      'li',
      { class: isUsed ? 'used' : undefined },
      el(
        'button',
        { type: 'button', class: 'choice', onclick: use, 'aria-current': isUsed ? 'true' : undefined },
        el('b', {}, label),
        el('small', {}, detail),
      ),
      remove && el('button', { type: 'button', onclick: remove, 'aria-label': `Remove ${label}` }, 'Remove'),
    );
  }

  /** Talks to the first model of the server that served this page, where it is onebit's and wants no key. */
  async useServer(): Promise<void> {
    if (!serverBase()) return;
    try {
      const [first] = await serverModels(serverBase()!, sessionStorage.getItem(KEY) ?? '');
      if (first !== undefined) this.#useServerModel(first, true);
    } catch {} // the dialog asks for a key
  }

  #useServerModel(id: string, goesOn = false): void {
    this.#chat.answerFrom(
      id,
      askServer(serverBase()!, id, () => sessionStorage.getItem(KEY) ?? ''),
      goesOn,
    );
    this.#named(`${id} on the server`);
    this.#dialog.close();
  }

  async #serverItems(): Promise<HTMLLIElement[]> {
    const base = serverBase();
    if (!base) return [];
    try {
      const ids = await serverModels(base, sessionStorage.getItem(KEY) ?? '');
      const { elsewhere } = this.#chat;
      const use = (id: string) => {
        forgetModel(); // the next visit begins with the server again
        this.#useServerModel(id);
      };
      return ids.map((id) => this.#item(id, 'on the server', () => use(id), id === elsewhere));
    } catch (error) {
      const input = el('input', { type: 'password', autocomplete: 'off' });
      input.addEventListener('change', () => {
        sessionStorage.setItem(KEY, input.value);
        void this.#fillList();
      });
      return [el('li', { class: 'server-key' }, errorBox(error), field('Key for the server’s models', input))];
    }
  }

  /** Tells what a model is and needs before anything is downloaded. */
  async #look(input: string | Blob, label: string): Promise<void> {
    this.#looking?.abort(new DOMException('Another one.', 'AbortError'));
    const looking = new AbortController();
    this.#looking = looking;
    this.#found.replaceChildren(el('p', { role: 'status' }, 'Reading its header …'));
    const options = this.#options();
    try {
      const outline = await outlineModel(input, { ...options, signal: looking.signal });
      const choice: ModelChoice = {
        ...options,
        input,
        label: label.replace(/\.gguf$/i, ''),
        fileBytes: outline.fileBytes,
      };
      this.#found.replaceChildren(this.#card(outline, choice));
      this.#found.scrollIntoView({ block: 'nearest' });
    } catch (error) {
      if (!isAbort(error)) this.#found.replaceChildren(errorBox(error));
    }
  }

  #options(): Pick<ModelChoice, 'token' | 'backend' | 'contextTokens'> {
    return {
      token: this.#token.value || undefined,
      backend: this.#backend.value as ModelChoice['backend'],
      contextTokens: Number(this.#context.value) || undefined,
    };
  }

  #card(outline: ModelOutline, choice: ModelChoice): HTMLElement {
    const isRemote = typeof choice.input === 'string';
    const keep = el('input', { type: 'checkbox', checked: true });
    const load = el(
      'button',
      { type: 'button', class: 'primary' },
      isRemote && !outline.kept ? 'Download and use' : 'Use it',
    );
    load.addEventListener(
      'click',
      () => void this.#load({ ...choice, ...this.#options(), keep: isRemote && keep.checked }),
    );
    const fact = (name: string, value: string) => [el('dt', {}, name), el('dd', {}, value)];
    return el(
      'div',
      { class: 'card' },
      el('h3', {}, outline.name),
      el(
        'dl',
        { class: 'facts' },
        ...fact(isRemote && !outline.kept ? 'Download' : 'Size', bytes(outline.fileBytes)),
        ...fact('Weights', count(outline.parameters)),
        ...fact(
          'Memory',
          `${bytes(outline.need.totalBytes)}, of which ${bytes(outline.need.kvBytes)} for ${outline.need.contextTokens.toLocaleString('en')} tokens of context`,
        ),
        ...fact('Architecture', outline.architecture),
      ),
      isRemote &&
        !outline.kept &&
        el('label', { class: 'check' }, keep, 'Keep it in this browser, for the next time and without a network'),
      outline.kept && el('p', {}, 'It is in this browser already.'),
      el('div', { class: 'row end' }, load),
    );
  }

  async #load(choice: ModelChoice): Promise<void> {
    const loading = new AbortController();
    const bar = el('progress', { max: 1, 'aria-label': `Loading ${choice.label}` });
    const text = el('p', { role: 'status' }, `Loading ${choice.label} …`);
    const cancel = el(
      'button',
      { type: 'button', onclick: () => loading.abort(new DOMException('Stopped.', 'AbortError')) },
      'Cancel',
    );
    this.#found.replaceChildren(el('div', { class: 'card' }, text, bar, el('div', { class: 'row end' }, cancel)));
    const began = performance.now();
    let first: number | undefined;
    this.#slot.watch((event) => {
      if (event.type !== 'loading' || event.choice !== choice || !event.progress) return;
      const { phase, doneBytes, totalBytes } = event.progress;
      if (totalBytes) bar.value = doneBytes / totalBytes;
      first ??= doneBytes;
      const perSecond = (doneBytes - first) / ((performance.now() - began) / 1000);
      const what = {
        waiting: 'Another tab downloads it',
        checking: 'Checking what is here',
        downloading: 'Downloading',
        loading: 'Loading',
      }[phase];
      const of = totalBytes ? ` of ${bytes(totalBytes)}` : '';
      const speed = phase === 'downloading' && perSecond > 0 ? `, ${bytes(perSecond)}/s` : '';
      text.textContent = `${what}: ${bytes(doneBytes)}${of}${speed}`;
    });
    try {
      await this.#slot.load(choice, loading.signal);
      this.#chat.answerHere();
      this.#dialog.close();
    } catch (error) {
      this.#found.replaceChildren(
        isAbort(error) && !loading.signal.aborted
          ? ''
          : isAbort(error)
            ? el(
                'p',
                { role: 'status' },
                'Stopped. What was downloaded is kept; “Download and use” goes on from there.',
              )
            : errorBox(error),
      );
      void this.#fillList();
    }
  }
}
