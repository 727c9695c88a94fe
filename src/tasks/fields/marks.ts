// Owns how people write down which parts of a text are fields: a list of spans, or marks in the text, `[tomorrow](date)`. Must not know models.
import { checkArgument } from '../../core/check.ts';
import { OnebitError } from '../../errors.ts';
import type { Span } from './tokens.ts';

const MAX_LABEL_CHARACTERS = 100;
const MAX_SPANS = 1000;
/** A link has a scheme, a path or a dot behind the brackets; a label has none. */
const MARK = /\[([^[\]]+)\]\(([\p{L}_][\p{L}\p{N}_ -]{0,99})\)/gu;

/** The text without marks and the fields that they named; without `slots` where there are none. */
export function markedText(marked: string): { text: string; slots?: Span[] } {
  checkArgument('markedText', 'marked', marked, 'text');
  let text = '';
  let from = 0;
  const slots: Span[] = [];
  for (const match of marked.matchAll(MARK)) {
    text += marked.slice(from, match.index);
    slots.push({ label: match[2].trim(), start: text.length, end: text.length + match[1].length });
    text += match[1];
    from = match.index + match[0].length;
  }
  return slots.length > 0 ? { text: text + marked.slice(from), slots } : { text: marked };
}

/**
 * `value` as spans of `text`, in their order.
 * @param where what the error names
 * @throws OnebitError `bad-argument` for what is no list of spans in the text that do not overlap
 */
export function spansIn(value: unknown, text: string, where: string): Span[] {
  const refuse = (must: string, got: unknown) =>
    new OnebitError(
      'bad-argument',
      `${where}: slots ${must}, got ${(JSON.stringify(got) ?? String(got)).slice(0, 100)}. Correct the row.`,
    );
  if (!Array.isArray(value) || value.length > MAX_SPANS) {
    throw refuse(`must be a list of at most ${MAX_SPANS} {label, start, end}`, value);
  }
  const spans = value.map((span): Span => {
    const { label, start, end } = (span ?? {}) as Record<string, unknown>;
    if (typeof label !== 'string' || label.trim() === '' || label.length > MAX_LABEL_CHARACTERS) {
      throw refuse(`must have labels of 1 to ${MAX_LABEL_CHARACTERS} characters`, span);
    }
    const isPlace = Number.isInteger(start) && Number.isInteger(end);
    if (!isPlace || (start as number) < 0 || (start as number) >= (end as number) || (end as number) > text.length) {
      throw refuse(`must have whole numbers 0 <= start < end <= ${text.length} (the length of the text)`, span);
    }
    return { label, start: start as number, end: end as number };
  });
  spans.sort((a, b) => a.start - b.start);
  const overlapping = spans.find((span, i) => i > 0 && span.start < spans[i - 1].end);
  if (overlapping) throw refuse('must not overlap', overlapping);
  return spans;
}
