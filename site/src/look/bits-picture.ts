// Owns the picture of a matrix: one pixel a weight, its sign as ink or paper, and what lies under the pointer.
import { colourOf, el, onColours } from '../dom.ts';
import type { Patch } from './model-file.ts';

export class BitsPicture {
  readonly element: HTMLElement;
  readonly #canvas = el('canvas', { class: 'bits-canvas', tabindex: 0, role: 'img' });
  readonly #under = el(
    'p',
    { class: 'under', role: 'status' },
    'Point at a pixel to read its weight; arrow keys move too.',
  );
  #patch: Patch | undefined;
  #firstRow = 0;
  #isBits = true;
  #at = { x: 0, y: 0 };

  constructor() {
    this.element = el(
      'figure',
      { class: 'picture' },
      el('div', { class: 'scroll' }, this.#canvas),
      el('figcaption', {}, this.#under),
    );
    this.#canvas.addEventListener('pointermove', (event) => {
      const rect = this.#canvas.getBoundingClientRect();
      this.#tell(
        Math.floor(((event.clientX - rect.left) / rect.width) * this.#canvas.width),
        Math.floor(((event.clientY - rect.top) / rect.height) * this.#canvas.height),
      );
    });
    this.#canvas.addEventListener('keydown', (event) => {
      const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
      if (!step) return;
      event.preventDefault();
      this.#tell(this.#at.x + step[0], this.#at.y + step[1]);
    });
    onColours(() => this.#draw());
  }

  show(name: string, patch: Patch, firstRow: number, isBits: boolean): void {
    this.#patch = patch;
    this.#firstRow = firstRow;
    this.#isBits = isBits;
    this.#canvas.setAttribute(
      'aria-label',
      `${name}: ${patch.rows} rows of ${patch.cols} weights as ${isBits ? 'black and white dots' : 'shades'}`,
    );
    this.#draw();
  }

  #draw(): void {
    const patch = this.#patch;
    if (!patch) return;
    const { rows, cols, values } = patch;
    this.#canvas.width = cols;
    this.#canvas.height = rows;
    // Whole device pixels where they fit: anything else makes patterns that are not there.
    const fit = Math.max(1, Math.floor((this.element.clientWidth || 600) / cols));
    this.#canvas.style.width = `${cols * Math.min(6, fit)}px`;
    const context = this.#canvas.getContext('2d')!;
    const image = context.createImageData(cols, rows);
    const [ink, paper] = ['--ink', '--bit-paper'].map((name) => (colourOf(name).match(/[\d.]+/g) ?? []).map(Number));
    const usual = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length) || 1;
    for (let i = 0; i < values.length; i++) {
      const share = shareOf(values[i], usual, this.#isBits);
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = paper[c] + share * (ink[c] - paper[c]);
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }

  #tell(x: number, y: number): void {
    const patch = this.#patch;
    if (!patch) return;
    this.#at = { x: Math.max(0, Math.min(patch.cols - 1, x)), y: Math.max(0, Math.min(patch.rows - 1, y)) };
    const value = patch.values[this.#at.y * patch.cols + this.#at.x];
    const sign = value > 0 ? '+' : value < 0 ? '−' : '';
    this.#under.textContent = `output ${this.#firstRow + this.#at.y}, input ${this.#at.x}: ${sign}${Math.abs(value).toPrecision(4)}`;
  }
}

/** Where a weight lies between paper (0) and ink (1): its sign, or for formats with more than signs its size against the usual one. */
function shareOf(value: number, usual: number, isBits: boolean): number {
  if (isBits) return value > 0 ? 1 : value < 0 ? 0 : 0.5;
  return Math.max(0, Math.min(1, 0.5 + value / (6 * usual)));
}
