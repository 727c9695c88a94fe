// Owns the picture of a run: bits per byte over updates, of the training text and of held-out text. Drawn by uPlot.
import uPlot from 'uplot';
import { colourOf, onColours } from '../dom.ts';
import 'uplot/dist/uPlot.min.css';

const DRAW_MS = 1000;

/** A plot that grows. */
export class LossPlot {
  readonly #root: HTMLElement;
  readonly #steps: number[] = [];
  readonly #training: (number | null)[] = [];
  readonly #heldOut: (number | null)[] = [];
  #plot: uPlot | undefined;
  #due = false;

  constructor(root: HTMLElement) {
    this.#root = root;
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(root);
    onColours(() => this.#rebuild());
  }

  get points(): number {
    return this.#steps.length;
  }

  clear(): void {
    for (const values of [this.#steps, this.#training, this.#heldOut]) values.length = 0;
    this.#draw();
  }

  addTraining(step: number, bitsPerByte: number): void {
    this.#at(step, this.#training, bitsPerByte);
  }

  addHeldOut(step: number, bitsPerByte: number): void {
    this.#at(step, this.#heldOut, bitsPerByte);
  }

  #at(step: number, values: (number | null)[], value: number): void {
    if (this.#steps.at(-1) !== step) {
      this.#steps.push(step);
      this.#training.push(null);
      this.#heldOut.push(null);
    }
    values[values.length - 1] = value;
    this.#draw();
  }

  /** Once a second is enough, and nothing while nobody sees it: drawing takes the time of a core from learning. */
  #draw(): void {
    if (this.#due) return;
    this.#due = true;
    setTimeout(() => {
      this.#due = false;
      if (!this.#plot) this.#rebuild();
      this.#plot!.setData([this.#steps, this.#training, this.#heldOut] as uPlot.AlignedData);
    }, DRAW_MS);
  }

  #size(): { width: number; height: number } {
    return { width: Math.max(240, this.#root.clientWidth), height: 260 };
  }

  #rebuild(): void {
    this.#plot?.destroy();
    const style = getComputedStyle(this.#root);
    const font = `12px ${style.fontFamily}`;
    const axis = {
      stroke: colourOf('--muted'),
      grid: { stroke: colourOf('--line'), width: 1 },
      ticks: { show: false },
      font,
    };
    this.#plot = new uPlot(
      {
        ...this.#size(),
        scales: { x: { time: false } },
        axes: [
          { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] },
          { ...axis, size: 48 },
        ],
        series: [
          { label: 'update' },
          {
            label: 'training, bits/byte',
            stroke: colourOf('--accent'),
            width: 2,
            spanGaps: true,
            points: { show: false },
            value: shown,
          },
          {
            label: 'held out',
            stroke: colourOf('--second'),
            width: 2,
            spanGaps: true,
            points: { show: true, size: 5, fill: colourOf('--second') },
            value: shown,
          },
        ],
        cursor: { points: { size: 6 } },
      },
      [this.#steps, this.#training, this.#heldOut] as uPlot.AlignedData,
      this.#root,
    );
  }
}

function shown(_plot: uPlot, value: number | null): string {
  return value === null || value === undefined ? '–' : value.toFixed(3);
}
