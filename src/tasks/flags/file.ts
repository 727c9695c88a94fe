// Owns how flags lie in the file of a support model; the keys are listed in docs/support.md.
import type { OnebitError } from '../../errors.ts';
import { metadataNumbers, metadataStrings } from '../../gguf/metadata.ts';
import type { Gguf } from '../../gguf/types.ts';
import type { WritableValue } from '../../gguf/write.ts';
import type { TensorReader } from '../fields/file.ts';
import { type FlagFacts, FlagModel, flagWidth } from './flag-model.ts';
import { MOST_FLAGS } from './train-flags.ts';

const FACTS = 'support.flags';
const CALIBRATION = 'support.flags.calibration';
const WEIGHTS = 'flags';

export function flagEntries({ facts, weights, width, calibration }: FlagModel): {
  metadata: [string, WritableValue][];
  tensor: { name: string; shape: readonly number[]; values: Float32Array };
} {
  return {
    metadata: [
      [FACTS, facts.map((one) => JSON.stringify(one))],
      [CALIBRATION, calibration],
    ],
    tensor: { name: WEIGHTS, shape: [width, facts.length], values: weights },
  };
}

/** The flags in a file, where there are some. */
export async function readFlagModel(
  gguf: Gguf,
  read: TensorReader,
  vocabulary: number,
  refuse: (problem: string) => OnebitError,
): Promise<FlagModel | undefined> {
  if (!gguf.metadata.has(FACTS)) return undefined;
  const facts = metadataStrings(gguf, FACTS).map((json) => factsOf(json, refuse));
  const calibration = Float32Array.from(metadataNumbers(gguf, CALIBRATION));
  if (facts.length > MOST_FLAGS || calibration.length !== 2 * facts.length || !calibration.every(Number.isFinite)) {
    throw refuse(`must have at most ${MOST_FLAGS} flags and two numbers for each, got ${facts.length}`);
  }
  const weights = await read(WEIGHTS, [flagWidth(vocabulary), facts.length], 'q8_0');
  return new FlagModel(facts, weights, calibration, vocabulary);
}

function factsOf(json: string, refuse: (problem: string) => OnebitError): FlagFacts {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    value = undefined;
  }
  const { flag, rows, precision, recall } = (value ?? {}) as Record<string, unknown>;
  if (typeof flag !== 'string') throw refuse(`${FACTS} must be JSON objects with a flag`);
  return { flag, rows: Number(rows), precision: precision === null ? null : Number(precision), recall: Number(recall) };
}
