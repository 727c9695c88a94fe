// Owns the progress line on stderr. Draws only on a terminal, so that logs and pipes stay clean. Must not know what progresses.
import type { WriteStream } from 'node:tty';

/** A line that is redrawn in place; nothing happens when the stream is no terminal. */
export interface ProgressLine {
  /** Shows `label` with `done` of `total` bytes (or only `done` where the total is not known), at most ten times per second. */
  update(label: string, done: number, total?: number): void;
  /** Wipes the line. */
  clear(): void;
}

const REDRAW_MS = 100;
/** The rate is that of the last seconds: what a person expects, and what the time left should go by. */
const RATE_WINDOW_MS = 5000;

/** Makes a progress line on `stream`; `shown` writes amounts, bytes unless told otherwise. */
export function progressLine(
  stream: Pick<WriteStream, 'write' | 'isTTY' | 'columns'> = process.stderr,
  shown: (amount: number) => string = formatBytes,
): ProgressLine {
  let drawnAt = 0;
  let drawn = false;
  let label = '';
  let samples: { at: number; done: number }[] = [];
  return {
    update(newLabel, done, total) {
      if (!stream.isTTY) return;
      const now = performance.now();
      if (newLabel !== label) {
        samples = [];
        drawnAt = 0;
      }
      label = newLabel;
      if (now - drawnAt < REDRAW_MS && done !== total) return;
      drawnAt = now;
      samples.push({ at: now, done });
      while (samples.length > 2 && now - samples[0].at > RATE_WINDOW_MS) samples.shift();
      stream.write(`\r\x1b[K${progressText(label, done, total, ratePerSecond(samples), stream.columns || 80, shown)}`);
      drawn = true;
    },
    clear() {
      if (drawn) stream.write('\r\x1b[K');
      drawn = false;
      drawnAt = 0;
    },
  };
}

function ratePerSecond(samples: readonly { at: number; done: number }[]): number {
  const first = samples[0];
  const last = samples[samples.length - 1];
  return last.at > first.at ? ((last.done - first.done) * 1000) / (last.at - first.at) : 0;
}

/** One line of at most `columns` - 1 characters: label, bar, share, amounts, rate and time left. */
export function progressText(
  label: string,
  done: number,
  total: number | undefined,
  bytesPerSecond: number,
  columns: number,
  shown: (amount: number) => string = formatBytes,
): string {
  const rate = bytesPerSecond > 0 ? `  ${shown(bytesPerSecond)}/s` : '';
  if (!total) return `${label}  ${shown(done)}${rate}`.slice(0, columns - 1);
  const share = Math.min(1, done / total);
  const left = bytesPerSecond > 0 && done < total ? `  ${formatSeconds((total - done) / bytesPerSecond)} left` : '';
  const numbers = `${String(Math.floor(share * 100)).padStart(3)} %  ${shown(done)} of ${shown(total)}${rate}${left}`;
  const width = Math.min(30, columns - 1 - label.length - numbers.length - 6);
  const full = Math.round(share * width);
  const bar = width >= 8 ? `[${'#'.repeat(full)}${'.'.repeat(width - full)}]  ` : '';
  return `${label}  ${bar}${numbers}`.slice(0, columns - 1);
}

/** A size for people, in decimal units as disks and hubs count: `248 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** A time for people: `95 s`, `12 min`, `3.4 h`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 99.5) return `${Math.ceil(seconds)} s`;
  if (seconds < 99.5 * 60) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
