// Owns the histogram of a matrix's scales: how large the weights of each block are.
import { el } from '../dom.ts';

const BINS = 40;
const NAMESPACE = 'http://www.w3.org/2000/svg';

/** One scale per block: the size of its weights. */
export function scalesOf(values: Float32Array, blockSize: number): Float32Array {
  const scales = new Float32Array(Math.floor(values.length / blockSize));
  for (let block = 0; block < scales.length; block++) {
    let most = 0;
    for (let i = 0; i < blockSize; i++) most = Math.max(most, Math.abs(values[block * blockSize + i]));
    scales[block] = most;
  }
  return scales;
}

/** The picture, with what it says in words. */
export function histogram(scales: Float32Array): HTMLElement {
  const sorted = Float32Array.from(scales).sort();
  const [min, median, max] = [sorted[0], sorted[sorted.length >> 1], sorted[sorted.length - 1]];
  const width = (max - min) / BINS || 1;
  const counts = new Array<number>(BINS).fill(0);
  for (const scale of scales) counts[Math.min(BINS - 1, Math.floor((scale - min) / width))]++;
  const most = Math.max(...counts);
  const svg = document.createElementNS(NAMESPACE, 'svg');
  svg.setAttribute('viewBox', `0 0 ${BINS * 10} 120`);
  svg.setAttribute('role', 'img');
  svg.setAttribute('preserveAspectRatio', 'none');
  const text = `${scales.length.toLocaleString('en')} scales from ${min.toPrecision(3)} to ${max.toPrecision(3)}, half of them below ${median.toPrecision(3)}`;
  svg.setAttribute('aria-label', text);
  for (const [bin, height] of counts.entries()) {
    const rect = document.createElementNS(NAMESPACE, 'rect');
    const tall = (114 * height) / most;
    for (const [name, value] of Object.entries({
      x: bin * 10 + 1,
      y: 118 - tall,
      width: 8,
      height: Math.max(height > 0 ? 1.5 : 0, tall),
      rx: 1.5,
    }))
      rect.setAttribute(name, String(value));
    const title = document.createElementNS(NAMESPACE, 'title');
    title.textContent = `${(min + bin * width).toPrecision(3)} to ${(min + (bin + 1) * width).toPrecision(3)}: ${height}`;
    rect.append(title);
    svg.append(rect);
  }
  const scale = el('div', { class: 'scale' }, el('span', {}, min.toPrecision(3)), el('span', {}, max.toPrecision(3)));
  return el('figure', { class: 'histogram' }, svg as unknown as HTMLElement, scale, el('figcaption', {}, text));
}
