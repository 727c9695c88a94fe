// Owns keeping training rows inside a model's file: compressed, bounded, read as hostile input. Must not know models.
import { OnebitError } from '../../errors.ts';
import { spansIn } from '../fields/marks.ts';
import { flagsIn, type SupportRow } from './rows.ts';

/** Expanded examples are refused beyond this: a small file could claim to hold gigabytes. */
const MAX_EXPANDED_BYTES = 256e6;

/** Rows as bytes: JSON lines of [intent, text], with label, start and end of each field behind, and at last a list of flags where there is one; raw deflate. As many rows are kept as fit `maxBytes`, the same share of every intent's. */
export async function packExamples(
  rows: readonly SupportRow[],
  maxBytes: number,
): Promise<{ rows: readonly SupportRow[]; bytes: Uint8Array }> {
  let kept: SupportRow[] = rows.map(({ text, intent, slots, flags }) => ({
    text,
    intent,
    ...(slots?.length ? { slots } : {}),
    ...(flags ? { flags } : {}),
  }));
  for (;;) {
    const bytes = await deflate(new TextEncoder().encode(kept.map(lineOf).join('\n')));
    if (bytes.length <= maxBytes || kept.length === 0) return { rows: kept, bytes };
    const fewer = sample(kept, (0.95 * maxBytes) / bytes.length);
    kept = fewer.length < kept.length ? fewer : []; // more intents than there is room for
  }
}

/** The rows in `bytes`. Throws `bad-file` for what `packExamples` has not made. */
export async function unpackExamples(bytes: Uint8Array): Promise<SupportRow[]> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await inflate(bytes));
    return text === '' ? [] : text.split('\n').map(exampleOf);
  } catch (cause) {
    throw new OnebitError(
      'bad-file',
      `read support model: its examples must be compressed rows, got ${(cause as Error).message}. Train it again.`,
      {
        cause,
      },
    );
  }
}

function exampleOf(line: string): SupportRow {
  const value: unknown = JSON.parse(line);
  if (!Array.isArray(value) || typeof value[0] !== 'string' || typeof value[1] !== 'string')
    throw new Error('another form');
  const [intent, text, ...numbers] = value;
  const last: unknown = numbers.at(-1);
  const flags = Array.isArray(last) ? { flags: flagsIn(numbers.pop(), 'read support model: an example') } : {};
  if (numbers.length === 0) return { intent, text, ...flags };
  const slots = Array.from({ length: Math.ceil(numbers.length / 3) }, (_, i) => {
    const [label, start, end] = numbers.slice(3 * i);
    return { label, start, end };
  });
  return { intent, text, slots: spansIn(slots, text, 'read support model: an example'), ...flags };
}

function lineOf({ intent, text, slots = [], flags }: SupportRow): string {
  const fields = slots.flatMap(({ label, start, end }) => [label, start, end]);
  return JSON.stringify([intent, text, ...fields, ...(flags ? [flags] : [])]);
}

/** Every so-many-th row of each intent, at least one. */
function sample<Row extends SupportRow>(rows: readonly Row[], share: number): Row[] {
  const seen = new Map<string, number>();
  return rows.filter(({ intent }) => {
    const count = seen.get(intent) ?? 0;
    seen.set(intent, count + 1);
    return Math.floor(count * share) !== Math.floor((count - 1) * share);
  });
}

/** Raw deflate. */
export async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The bytes of raw deflate; throws where they are more than a file may hold. */
export async function inflate(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    // The reader is left as it is: in Node, to cancel a DecompressionStream can end the process.
    if (size > MAX_EXPANDED_BYTES) throw new Error(`more than ${MAX_EXPANDED_BYTES} bytes`);
    parts.push(value);
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
