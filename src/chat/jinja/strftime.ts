// Owns dates as text: the codes of Python's `strftime`, as Linux has them in English, flags and widths included. Source: Python's documentation of
// datetime and the manual page strftime(3).
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = 'January February March April May June July August September October November December'.split(' ');

/** A number with its usual width and filler, or a text. */
type Part = readonly [value: number, width: number, filler?: string] | string;

const CODES: Record<string, (date: Date) => Part> = {
  a: (date) => DAYS[date.getDay()].slice(0, 3),
  A: (date) => DAYS[date.getDay()],
  b: (date) => MONTHS[date.getMonth()].slice(0, 3),
  B: (date) => MONTHS[date.getMonth()],
  c: (date) => strftime(date, '%a %b %e %H:%M:%S %Y'),
  C: (date) => [Math.floor(date.getFullYear() / 100), 2],
  d: (date) => [date.getDate(), 2],
  D: (date) => strftime(date, '%m/%d/%y'),
  e: (date) => [date.getDate(), 2, ' '],
  f: (date) => [date.getMilliseconds() * 1000, 6],
  F: (date) => strftime(date, '%Y-%m-%d'),
  g: (date) => [isoWeek(date).year % 100, 2],
  G: (date) => [isoWeek(date).year, 1],
  h: (date) => MONTHS[date.getMonth()].slice(0, 3),
  H: (date) => [date.getHours(), 2],
  I: (date) => [date.getHours() % 12 || 12, 2],
  j: (date) => [dayOfYear(date) + 1, 3],
  k: (date) => [date.getHours(), 2, ' '],
  l: (date) => [date.getHours() % 12 || 12, 2, ' '],
  m: (date) => [date.getMonth() + 1, 2],
  M: (date) => [date.getMinutes(), 2],
  n: () => '\n',
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  P: (date) => (date.getHours() < 12 ? 'am' : 'pm'),
  r: (date) => strftime(date, '%I:%M:%S %p'),
  R: (date) => strftime(date, '%H:%M'),
  s: (date) => [Math.floor(date.getTime() / 1000), 1],
  S: (date) => [date.getSeconds(), 2],
  t: () => '\t',
  T: (date) => strftime(date, '%H:%M:%S'),
  u: (date) => [date.getDay() || 7, 1],
  U: (date) => [Math.floor((dayOfYear(date) + 7 - date.getDay()) / 7), 2],
  V: (date) => [isoWeek(date).week, 2],
  w: (date) => [date.getDay(), 1],
  W: (date) => [Math.floor((dayOfYear(date) + 7 - ((date.getDay() + 6) % 7)) / 7), 2],
  x: (date) => strftime(date, '%m/%d/%y'),
  X: (date) => strftime(date, '%H:%M:%S'),
  y: (date) => [date.getFullYear() % 100, 2],
  Y: (date) => [date.getFullYear(), 1],
  // As for Python's dates without a time zone
  z: () => '',
  Z: () => '',
  '%': () => '%',
};

/** `date`, in local time, as `format` says. What is no code stays as it is. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%([-_0^#]*)(\d{0,2})([A-Za-z%])/g, (whole, flags: string, width: string, code: string) => {
    if (!Object.hasOwn(CODES, code)) return whole;
    const part = CODES[code](date);
    if (typeof part === 'string') {
      const text = flags.includes('^') ? part.toUpperCase() : flags.includes('#') ? swapCase(part) : part;
      return text.padStart(Number(width), flags.includes('0') ? '0' : ' ');
    }
    const [value, usual, filler = '0'] = part;
    if (flags.includes('-')) return String(value);
    const fill = flags.includes('_') ? ' ' : flags.includes('0') ? '0' : filler;
    return String(value).padStart(Number(width) || usual, fill);
  });
}

function swapCase(text: string): string {
  return text === text.toUpperCase() ? text.toLowerCase() : text.toUpperCase();
}

/** From 0. Counted in days of UTC, which all have 24 hours. */
function dayOfYear(date: Date): number {
  const [year, month, day] = [date.getFullYear(), date.getMonth(), date.getDate()];
  return Math.round((Date.UTC(year, month, day) - Date.UTC(year, 0, 1)) / 86_400_000);
}

/** Week and year by ISO 8601: a week belongs to the year of its Thursday. */
function isoWeek(date: Date): { week: number; year: number } {
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 3 - ((date.getDay() + 6) % 7));
  return { week: Math.floor(dayOfYear(thursday) / 7) + 1, year: thursday.getFullYear() };
}
