// Owns the two pictures of the report, as SVG in the page. Must not know what they show.

type Point = readonly [x: number, y: number];

const WIDTH = 640;
const HEIGHT = 280;
const LEFT = 56;
const BOTTOM = 40;
const TOP = 12;
const RIGHT = 12;

/** A curve of shares. */
export function curve(points: readonly Point[], xLabel: string, yLabel: string): string {
  if (points.length < 2) return '<p>There are too few rows for a curve.</p>';
  const low = Math.floor(20 * Math.min(...points.map(([, y]) => y))) / 20;
  const least = Math.min(low, 0.95);
  const path = points
    .map(([x, y]) => `${place(x, 0, 1, LEFT, WIDTH - RIGHT)},${place(y, least, 1, HEIGHT - BOTTOM, TOP)}`)
    .join(' ');
  return picture(`${axes(least, xLabel, yLabel)}<polyline class="a" points="${path}"/>`, `${yLabel} by ${xLabel}`);
}

/** Bars at x of height y, shares both, with the diagonal where they are equal. */
export function bars(points: readonly Point[], xLabel: string, yLabel: string): string {
  const shapes = points.map(([x, y]) => {
    const top = place(y, 0, 1, HEIGHT - BOTTOM, TOP);
    return `<rect class="b" x="${(place(x, 0, 1, LEFT, WIDTH - RIGHT) - 10).toFixed(1)}" y="${top.toFixed(1)}" width="20" height="${(HEIGHT - BOTTOM - top).toFixed(1)}"/>`;
  });
  const diagonal = `<line x1="${LEFT}" y1="${HEIGHT - BOTTOM}" x2="${WIDTH - RIGHT}" y2="${TOP}" stroke-dasharray="4"/>`;
  return picture(`${axes(0, xLabel, yLabel)}${shapes.join('')}${diagonal}`, `${yLabel} by ${xLabel}`);
}

function axes(least: number, xLabel: string, yLabel: string): string {
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const lines = ticks.map((tick) => {
    const value = least + tick * (1 - least);
    const y = place(tick, 0, 1, HEIGHT - BOTTOM, TOP);
    const x = place(tick, 0, 1, LEFT, WIDTH - RIGHT);
    return `<line x1="${LEFT}" y1="${y}" x2="${WIDTH - RIGHT}" y2="${y}"/><text x="${LEFT - 6}" y="${y + 4}" text-anchor="end">${Math.round(100 * value)} %</text><text x="${x}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${Math.round(100 * tick)} %</text>`;
  });
  return `${lines.join('')}<text x="${WIDTH / 2}" y="${HEIGHT - 6}" text-anchor="middle">${xLabel}</text><text x="12" y="${HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 12 ${HEIGHT / 2})">${yLabel}</text>`;
}

function place(value: number, low: number, high: number, from: number, to: number): number {
  return from + ((value - low) / (high - low)) * (to - from);
}

function picture(content: string, title: string): string {
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}"><title>${title}</title>${content}</svg>`;
}
