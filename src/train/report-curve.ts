// Owns curves of a run: points that thin themselves out, and drawing them with characters. Must not know training.

/** One point of a curve. */
export interface CurvePoint {
  readonly step: number;
  readonly value: number;
}

const MOST_POINTS = 1024;

/** A curve that keeps at most MOST_POINTS points: when it is full, neighbours become their mean, and later points are means of as many updates. */
export class Curve {
  #points: CurvePoint[];
  #stride = 1;
  #sum = 0;
  #count = 0;

  constructor(points: readonly CurvePoint[] = []) {
    this.#points = [...points];
    if (points.length > 1) this.#stride = Math.max(1, points[1].step - points[0].step);
  }

  add(step: number, value: number): void {
    this.#sum += value;
    if (++this.#count < this.#stride) return;
    this.#points.push({ step, value: this.#sum / this.#count });
    this.#sum = 0;
    this.#count = 0;
    if (this.#points.length < MOST_POINTS) return;
    const half: CurvePoint[] = [];
    for (let i = 0; i + 1 < this.#points.length; i += 2) {
      half.push({ step: this.#points[i + 1].step, value: (this.#points[i].value + this.#points[i + 1].value) / 2 });
    }
    this.#points = half;
    this.#stride *= 2;
  }

  get points(): readonly CurvePoint[] {
    return this.#points;
  }
}

/** A curve drawn with braille dots, `columns` × `rows` characters inside a frame with its range. Empty for fewer than two points. */
export function drawCurve(points: readonly CurvePoint[], columns: number, rows: number, unit: string): string {
  const finite = points.filter(({ value }) => Number.isFinite(value));
  if (finite.length < 2) return '';
  const { low, high } = rangeOf(finite);
  const [first, last] = [finite[0].step, finite[finite.length - 1].step];
  const [width, height] = [columns * 2, rows * 4];
  const cells = Array.from({ length: rows }, () => new Uint8Array(columns));
  const column = (step: number) => Math.round(((step - first) / Math.max(1, last - first)) * (width - 1));
  const row = (value: number) => Math.round(((high - Math.min(high, value)) / (high - low)) * (height - 1));
  const dot = (x: number, y: number) => {
    cells[y >> 2][x >> 1] |= [
      [0x01, 0x08],
      [0x02, 0x10],
      [0x04, 0x20],
      [0x40, 0x80],
    ][y & 3][x & 1];
  };
  let previous: { x: number; y: number } | undefined;
  for (const { step, value } of finite) {
    const [x, y] = [column(step), row(value)];
    const from = previous ?? { x, y };
    const pieces = Math.max(1, Math.abs(x - from.x), Math.abs(y - from.y));
    for (let i = 0; i <= pieces; i++) {
      dot(Math.round(from.x + ((x - from.x) * i) / pieces), Math.round(from.y + ((y - from.y) * i) / pieces));
    }
    previous = { x, y };
  }
  const labels = [high.toFixed(2), low.toFixed(2)];
  const margin = Math.max(...labels.map((label) => label.length));
  const lines = cells.map((line, index) => {
    const label = index === 0 ? labels[0] : index === rows - 1 ? labels[1] : '';
    return `${label.padStart(margin)} |${String.fromCharCode(...Array.from(line, (dots) => 0x2800 + dots))}`;
  });
  const axis = `${String(first).padEnd(columns - String(last).length)}${last}`;
  return [...lines, `${' '.repeat(margin)} +${'-'.repeat(columns)}`, `${' '.repeat(margin + 2)}${axis}  ${unit}`].join(
    '\n',
  );
}

/** What a plot should span: all but the first steep fall, so that what matters late can be seen. */
export function rangeOf(points: readonly CurvePoint[]): { low: number; high: number } {
  const values = points.map(({ value }) => value);
  const low = Math.min(...values);
  const sorted = [...values].sort((a, b) => a - b);
  const high = Math.max(sorted[Math.floor(0.97 * (sorted.length - 1))], low + 1e-6);
  return { low, high };
}
