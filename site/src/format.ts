// Owns how numbers look.

/** Bytes with decimal units: 992,800 is 0.99 MB. */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  for (const [unit, size] of [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ] as const) {
    if (count >= size * 0.95) return `${digits(count / size)} ${unit}`;
  }
  return `${count} B`;
}

/** Three digits, or all before the point. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return value.toLocaleString('en', { maximumFractionDigits: Math.abs(value) >= 10 ? 1 : 2 });
}

/** 6,500,000 is 6.5 million. */
export function count(value: number): string {
  if (value >= 1e9) return `${digits(value / 1e9)} billion`;
  if (value >= 1e6) return `${digits(value / 1e6)} million`;
  return Math.round(value).toLocaleString('en');
}

export function percent(share: number): string {
  const value = 100 * share;
  return value >= 99.95
    ? '100 %'
    : value >= 10
      ? `${value.toFixed(1)} %`
      : value >= 0.01
        ? `${value.toFixed(2)} %`
        : '< 0.01 %';
}

export function milliseconds(ms: number): string {
  return ms >= 10_000 ? `${digits(ms / 1000)} s` : ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${digits(ms)} ms`;
}

/** A span of time for people: 95 is 1 min 35 s. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole % 60 > 0 ? ` ${whole % 60} s` : ''}`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** A token's text so that its spaces and line ends can be seen. */
export function visible(text: string): string {
  return text.replaceAll(' ', '␣').replaceAll('\n', '↵').replaceAll('\t', '⇥') || '∅';
}
