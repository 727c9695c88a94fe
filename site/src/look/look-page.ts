// Owns the part in which people look into the model: its matrices as pictures, scales, sizes, what a prompt's tokens look at.
import type { TensorInfo } from 'onebit/gguf';
import { formatByName } from 'onebit/quant';
import { el, errorBox, field, messageOf } from '../dom.ts';
import { bytes, count } from '../format.ts';
import type { ModelSlot } from '../model-slot.ts';
import { AttentionView } from './attention-view.ts';
import { BitsPicture } from './bits-picture.ts';
import { ModelFile } from './model-file.ts';
import { histogram, scalesOf } from './scales-histogram.ts';
import { sizes } from './sizes.ts';
import { Story, type StoryStep } from './story.ts';

/** Rows of a matrix that are shown at a time. */
const ROWS = 256;
/** Tokens whose attention can be shown. */
const MOST_TOKENS = 60;
const PROMPT = 'I would like to book a table for two in San Jose';
/** Formats whose weights are signs, or signs and zeros. */
const BITS: ReadonlySet<string> = new Set(['q1_0', 'q2_0', 'q2_0-128']);

const NAMES: Readonly<Record<string, string>> = {
  attn_q: 'queries: what a token asks',
  attn_k: 'keys: what a token offers',
  attn_v: 'values: what a token tells',
  attn_output: 'attention’s output',
  ffn_gate: 'feed-forward gate',
  ffn_up: 'feed-forward up',
  ffn_down: 'feed-forward down',
  token_embd: 'embedding: one row a token',
  output: 'head: one row a token',
};

export class LookPage {
  readonly #slot: ModelSlot;
  readonly #title = el('p', { class: 'numbers' });
  readonly #problem = el('div');
  readonly #layer = el('select');
  readonly #matrix = el('select');
  readonly #rows = el('input', { type: 'range', min: 0, step: 1, 'aria-label': 'Rows shown' });
  readonly #rowsText = el('output');
  readonly #picture = new BitsPicture();
  readonly #about = el('p');
  readonly #histogram = el('div');
  readonly #sizes = el('div');
  readonly #prompt = el('input', { value: PROMPT, 'aria-label': 'Prompt', autocomplete: 'off' });
  readonly #attention = el('div');
  #file: ModelFile | undefined;
  /** Counts what was asked for, so that late answers are not shown. */
  #asked = 0;

  /** @param text what to look at first */
  constructor(root: HTMLElement, slot: ModelSlot, text?: string) {
    this.#slot = slot;
    if (text !== undefined) this.#prompt.value = text;
    const form = el('form', { class: 'row' }, this.#prompt, el('button', { class: 'primary' }, 'Look'));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#showAttention();
    });
    this.#layer.addEventListener('change', () => this.#fillMatrices());
    this.#matrix.addEventListener('change', () => this.#chooseMatrix());
    this.#rows.addEventListener('input', () => void this.#showMatrix());
    const story = new Story();
    root.append(
      el(
        'div',
        { class: 'intro' },
        el('h1', {}, 'Look inside'),
        el(
          'p',
          {},
          'A language model is a stack of matrices. In this one nearly every weight is a sign, plus or minus, and blocks of weights share one scale. That is all there is to see, so here it is.',
        ),
        this.#title,
        this.#problem,
      ),
      story.element,
      el(
        'section',
        { class: 'card', id: 'look-bits' },
        el('h2', {}, 'The bits of a layer'),
        el(
          'div',
          { class: 'grid wide' },
          field('Layer', this.#layer),
          field('Matrix', this.#matrix),
          el('label', { class: 'field' }, el('span', {}, 'Rows'), this.#rows, this.#rowsText),
        ),
        this.#about,
        this.#picture.element,
      ),
      el(
        'section',
        { class: 'card', id: 'look-scales' },
        el('h2', {}, 'Its scales'),
        el('p', {}, 'Each block’s weights are +scale or −scale. Training found these sizes.'),
        this.#histogram,
      ),
      el('section', { class: 'card', id: 'look-sizes' }, el('h2', {}, 'How small'), this.#sizes),
      el(
        'section',
        { class: 'card', id: 'look-attention' },
        el('h2', {}, 'What looks at what'),
        el(
          'p',
          {},
          'Before a token is chosen, every token gathers from those before it what it needs. Choose a token to see where it looks; each head looks in its own way.',
        ),
        form,
        this.#attention,
      ),
    );
    slot.watch((event) => {
      if (event.type !== 'ready') return;
      void this.#open();
    });
    story.onStep = (step) => this.#follow(step);
    if (slot.model) void this.#open();
    if (text !== undefined) this.#goTo('look-attention');
  }

  /** Shows what the model looks at in `text`, a part of a conversation. */
  show(text: string): void {
    this.#prompt.value = text;
    void this.#showAttention();
    this.#goTo('look-attention');
  }

  #goTo(id: string): void {
    setTimeout(() => document.getElementById(id)?.scrollIntoView({ block: 'start', behavior: 'smooth' }));
  }

  /** Brings what a step of the story tells of into view. */
  #follow({ place, part }: StoryStep): void {
    if (part === 'token_embd') this.#showBits('token_embd.weight');
    if (part === 'attn_q') this.#showBits('blk.0.attn_q.weight');
    this.#goTo(place);
  }

  /** Shows a matrix, as if it had been chosen. @param row the first row */
  #showBits(name: string, row = 0): void {
    if (!this.#file?.gguf.tensors.has(name)) return;
    this.#layer.value = /^blk\.(\d+)\./.exec(name)?.[1] ?? 'outside';
    this.#fillMatrices();
    this.#matrix.value = name;
    this.#chooseMatrix();
    this.#rows.value = String(row);
    void this.#showMatrix();
  }

  async #open(): Promise<void> {
    const asked = ++this.#asked;
    this.#problem.replaceChildren();
    this.#attention.replaceChildren();
    try {
      await this.#file?.close();
      const file = await ModelFile.open(this.#slot.choice);
      if (asked !== this.#asked) return;
      this.#file = file;
      const parameters = [...file.gguf.tensors.values()].reduce(
        (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
        0,
      );
      this.#title.textContent = `${this.#slot.choice.label}: ${count(parameters)} weights in ${file.matrices.length} matrices, ${bytes(file.source.size)}`;
      this.#sizes.replaceChildren(sizes(file.gguf));
      this.#fillLayers();
      await this.#showAttention();
    } catch (error) {
      this.#problem.replaceChildren(errorBox(error));
    }
  }

  #fillLayers(): void {
    const layers = new Set(this.#file!.matrices.map(({ name }) => /^blk\.(\d+)\./.exec(name)?.[1] ?? 'outside'));
    const options = [...layers].map((layer) =>
      el('option', { value: layer }, layer === 'outside' ? 'outside the layers' : `layer ${Number(layer) + 1}`),
    );
    this.#layer.replaceChildren(...options);
    this.#layer.value = layers.has('0') ? '0' : options[0].value;
    this.#fillMatrices();
  }

  #fillMatrices(): void {
    const layer = this.#layer.value;
    const own = this.#file!.matrices.filter(({ name }) => (/^blk\.(\d+)\./.exec(name)?.[1] ?? 'outside') === layer);
    const kept = this.#matrix.selectedOptions[0]?.dataset.part;
    const options = own.map(({ name }) => {
      const part = name.replace(/^blk\.\d+\./, '').replace('.weight', '');
      return el('option', { value: name, 'data-part': part, selected: part === kept }, NAMES[part] ?? part);
    });
    this.#matrix.replaceChildren(...options);
    this.#chooseMatrix();
  }

  #chooseMatrix(): void {
    const info = this.#chosen();
    this.#rows.max = String(Math.max(0, info.shape[1] - ROWS));
    this.#rows.value = '0';
    this.#rows.disabled = info.shape[1] <= ROWS;
    void this.#showMatrix();
  }

  #chosen(): TensorInfo {
    return this.#file!.gguf.tensors.get(this.#matrix.value)!;
  }

  async #showMatrix(): Promise<void> {
    const info = this.#chosen();
    const [cols, rows] = info.shape;
    const first = Number(this.#rows.value);
    try {
      const patch = await this.#file!.rows(info, first, ROWS);
      if (this.#chosen() !== info || Number(this.#rows.value) !== first) return;
      this.#rowsText.textContent = `${first} to ${first + patch.rows - 1} of ${rows}`;
      const isBits = BITS.has(info.format);
      this.#picture.show(info.name, patch, first, isBits);
      const { blockSize, ggmlName } = formatByName(info.format);
      const plus = patch.values.reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0) / patch.values.length;
      const coding = isBits ? `one dot per weight, ${(100 * plus).toFixed(1)} % of them plus` : 'darker is larger';
      this.#about.textContent = `${rows.toLocaleString('en')} outputs × ${cols.toLocaleString('en')} inputs in ${ggmlName}, ${bytes(info.sizeBytes)}: ${coding}.`;
      if (blockSize > 1) this.#histogram.replaceChildren(histogram(scalesOf(patch.values, blockSize)));
      else this.#histogram.replaceChildren(el('p', {}, `${ggmlName} has no scales: every weight is written out.`));
    } catch (error) {
      this.#about.textContent = messageOf(error);
    }
  }

  /** The end of a text, as much as can be shown. */
  async #fitting(text: string): Promise<string> {
    const tokens = await (await this.#slot.ready()).tokenize(text);
    if (tokens.length <= MOST_TOKENS) return text;
    return tokens
      .slice(1 - MOST_TOKENS)
      .map((token) => token.text)
      .join('')
      .replace(/^\S*\s/, '');
  }

  async #showAttention(): Promise<void> {
    const text = this.#prompt.value.trim();
    if (text === '') return;
    try {
      const model = await this.#slot.ready();
      const map = await model.attention(await this.#fitting(text));
      const bits = (layer: number, head: number) => {
        const rows = this.#file?.gguf.tensors.get(`blk.${layer}.attn_q.weight`)?.shape[1] ?? 0;
        this.#showBits(`blk.${layer}.attn_q.weight`, Math.max(0, head) * Math.floor(rows / map.heads));
        this.#goTo('look-bits');
      };
      this.#attention.replaceChildren(new AttentionView(map, bits).element);
    } catch (error) {
      this.#attention.replaceChildren(errorBox(error));
    }
  }
}
