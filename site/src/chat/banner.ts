// Owns the strip above the chat: the model's own weights, one dot each. While it speaks, the row of each token that it says comes in from the left: the bits
// that stand for that word. Must not know conversations.
import { colourOf, el, onColours } from '../dom.ts';
import type { ModelChoice } from '../model-slot.ts';
import type { ShownToken } from './talkers.ts';

const ROWS = 16;
/** Columns that are drawn: the strip is wide and low. */
const COLUMNS = 384;

export class Banner {
  readonly element = el('canvas', { class: 'bits', 'aria-hidden': 'true', width: COLUMNS, height: ROWS });
  #file: import('../look/model-file.ts').ModelFile | undefined;
  /** [COLUMNS][ROWS] signs, the newest column first. */
  #columns: Uint8Array[] = Array.from({ length: COLUMNS }, () => new Uint8Array(ROWS));
  #waiting: number[] = [];
  #busy = false;
  #asked = 0;

  constructor() {
    onColours(() => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(this.element);
  }

  /** Shows the weights of `choice` once there is time. */
  follow(choice: ModelChoice): void {
    const asked = ++this.#asked;
    const show = async () => {
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
      } catch {} // an ornament
    };
    if ('requestIdleCallback' in globalThis) requestIdleCallback(() => void show(), { timeout: 4000 });
    else setTimeout(() => void show(), 500);
  }

  /** Lets the rows of what was said come in. */
  speak(tokens: readonly ShownToken[]): void {
    for (const { token } of tokens) if (token !== undefined) this.#waiting.push(token);
    this.#waiting.splice(0, this.#waiting.length - 64);
    if (!this.#busy && this.#waiting.length > 0) void this.#move();
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
