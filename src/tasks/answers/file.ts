// Owns how documents lie in the file of a support model: their texts compressed, their senses as signs; the keys are listed in docs/support.md.
import { OnebitError } from '../../errors.ts';
import { metadataNumber, metadataNumbers } from '../../gguf/metadata.ts';
import type { Gguf } from '../../gguf/types.ts';
import type { WritableValue } from '../../gguf/write.ts';
import type { TensorReader } from '../fields/file.ts';
import { deflate, inflate } from '../support/examples.ts';
import { TRUNK_WIDTH, type Trunk } from '../support/trunk.ts';
import { AnswerModel } from './answer-model.ts';
import { checkPassages, type Passage } from './documents.ts';

const TEXTS = 'support.documents';
const THRESHOLD = 'support.documents.threshold';
const SENSES = 'documents.senses';
const MOST_BYTES = 64e6;

/** The passages as they are stored: JSON lines of [id, question, answer, source], raw deflate. */
export function packPassages(passages: readonly Passage[]): Promise<Uint8Array> {
  const lines = passages.map(({ id, question, answer, source }) => JSON.stringify([id, question, answer, source]));
  return deflate(new TextEncoder().encode(lines.join('\n')));
}

export async function answerEntries({ index, threshold }: AnswerModel): Promise<{
  metadata: [string, WritableValue][];
  tensor: { name: string; shape: readonly number[]; values: Float32Array };
}> {
  const { passages, senses } = index;
  const values = Float32Array.from({ length: 8 * senses.length }, (_, i) => ((senses[i >> 3] >> (i & 7)) & 1 ? 1 : -1));
  return {
    metadata: [
      [TEXTS, await packPassages(passages)],
      [THRESHOLD, { type: 'f32', value: threshold }],
    ],
    tensor: { name: SENSES, shape: [TRUNK_WIDTH, 2 * passages.length], values },
  };
}

/** The documents in a file, where there are some. */
export async function readAnswerModel(gguf: Gguf, read: TensorReader, trunk: Trunk): Promise<AnswerModel | undefined> {
  if (!gguf.metadata.has(TEXTS)) return undefined;
  const bytes = metadataNumbers(gguf, TEXTS);
  try {
    if (bytes.length > MOST_BYTES) throw new Error(`${bytes.length} bytes`);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await inflate(Uint8Array.from(bytes)));
    const passages = text.split('\n').map((line): Passage => {
      const [id, question, answer, source] = JSON.parse(line);
      return { id, question, answer, source };
    });
    checkPassages('read support model', passages);
    const values = await read(SENSES, [TRUNK_WIDTH, 2 * passages.length], 'q1_0');
    const senses = new Uint8Array(values.length / 8);
    for (let i = 0; i < values.length; i++) if (values[i] > 0) senses[i >> 3] |= 1 << (i & 7);
    return new AnswerModel(passages, trunk, metadataNumber(gguf, THRESHOLD, { min: 0, max: 1 }), senses);
  } catch (cause) {
    if (cause instanceof OnebitError && cause.code === 'bad-file') throw cause;
    throw new OnebitError(
      'bad-file',
      `read support model: its documents must be compressed lines of id, question, answer and source, got ${(cause as Error).message} Train it again.`,
      { cause },
    );
  }
}
