// Owns the strip above the chat: the model's own weights, one dot each. While it speaks, the row of each token that it says comes in from the left: the bits
// that stand for that word. Must not know conversations.
import { colourOf, el, onColours } from '../dom.ts';
import type { ModelChoice } from '../model-slot.ts';
import type { ShownToken } from './talkers.ts';

const ROWS = 16;
/** Columns that are drawn: the strip is wide and low. */
const COLUMNS = 384;
/** How long a reader's first message may take before the strip is drawn without it. */
const PATIENCE_MS = 3000;
/** How long after the first word: that one is on the screen first. */
const BREATH_MS = 100;

export class Banner {
  readonly element = el('canvas', { class: 'bits', 'aria-hidden': 'true', width: COLUMNS, height: ROWS });
  #file: import('../look/model-file.ts').ModelFile | undefined;
  /** [COLUMNS][ROWS] signs, the newest column first. */
  #columns: Uint8Array[] = Array.from({ length: COLUMNS }, () => new Uint8Array(ROWS));
  #waiting: number[] = [];
  #busy = false;
  #asked = 0;
  /** Reads the weights of the model that is followed; what does that is fetched only when it is not in anybody's way. */
  #show: (() => Promise<void>) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #waits = false;

  constructor() {
    onColours(() => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(this.element);
  }

  /** Shows the weights of `choice` with its first words, or when nobody has asked anything for a while. */
  follow(choice: ModelChoice): void {
    const asked = ++this.#asked;
    this.#file = undefined;
    this.#show = async () => {
      if (asked !== this.#asked) return;
      this.#show = undefined;
      try {
        const { ModelFile } = await import('../look/model-file.ts');
        const file = await ModelFile.open(choice);
        if (asked !== this.#asked) return;
        this.#file = file;
        const first = file.matrices.find(({ name }) => name.startsWith('blk.0.')) ?? file.matrices[0];
        const { values, cols, rows } = await file.rows(first, 0, ROWS);
        this.#columns = Array.from({ length: COLUMNS }, (_, x) =>
          Uint8Array.from({ length: ROWS }, (_, y) => (values[(y % rows) * cols + (x % cols)] > 0 ? 1 : 0)),
        );
        this.#draw();
        this.speak([]);
      } catch {} // an ornament
    };
    const show = this.#show;
    if (!this.#waits) this.#timer = setTimeout(() => void show(), PATIENCE_MS);
  }

  /** An answer comes: nothing is fetched before its first word. */
  wait(): void {
    this.#waits = true;
    clearTimeout(this.#timer);
  }

  /** Lets the rows of what was said come in. */
  speak(tokens: readonly ShownToken[]): void {
    for (const { token } of tokens) if (token !== undefined) this.#waiting.push(token);
    this.#waiting.splice(0, this.#waiting.length - 64);
    this.#waits = false;
    const show = this.#show;
    if (show) setTimeout(() => void show(), BREATH_MS);
    if (!this.#busy && this.#file && this.#waiting.length > 0) void this.#move();
  }

  async #move(): Promise<void> {
    this.#busy = true;
    try {
      while (this.#waiting.length > 0 && this.#file) {
        const token = this.#waiting.shift()!;
        const embedding = this.#file.matrices.find(({ name }) => name === 'token_embd.weight');
        if (!embedding) break;
        const { values } = await this.#file.rows(embedding, token, 1);
        const column = Uint8Array.from({ length: ROWS }, (_, y) => (values[y] > 0 ? 1 : 0));
        const next = Uint8Array.from({ length: ROWS }, (_, y) => (values[ROWS + y] > 0 ? 1 : 0));
        this.#columns = [column, next, ...this.#columns.slice(0, COLUMNS - 2)];
        if (!matchMedia('(prefers-reduced-motion: reduce)').matches) this.#draw();
        await new Promise(requestAnimationFrame);
      }
    } catch {}
    this.#waiting = [];
    this.#busy = false;
  }

  #draw(): void {
    const context = this.element.getContext('2d')!;
    context.clearRect(0, 0, COLUMNS, ROWS);
    context.fillStyle = colourOf('--accent');
    for (const [x, column] of this.#columns.entries()) {
      for (let y = 0; y < ROWS; y++) if (column[y] === 1) context.fillRect(x, y, 1, 1);
    }
  }
}
