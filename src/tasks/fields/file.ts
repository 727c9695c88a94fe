// Owns how a reader of fields lies in the file of a support model; the keys are listed in docs/support.md. Must not know how it is trained.

import { metadataNumber, metadataNumbers, metadataStrings } from '../../gguf/metadata.ts';
import type { Gguf } from '../../gguf/types.ts';
import type { WritableValue } from '../../gguf/write.ts';
import { FeatureSpace } from './features.ts';
import { FieldModel } from './field-model.ts';
import { FieldNetwork, fieldTensors } from './network.ts';

const LABELS = 'support.fields.labels';
const HASHES = 'support.fields.vocabulary.hashes';
const SLOPE = 'support.fields.slope';
const OFFSET = 'support.fields.offset';
const MOST = { labels: 2000, vocabulary: 1_000_000 };

type Format = 'q1_0' | 'f32';
/** A tensor of the file by its name, checked and decoded. */
export type TensorReader = (name: string, shape: readonly number[], format: Format | 'q8_0') => Promise<Float32Array>;

/** Bytes of the file for `tags`, without rows of the vocabulary, and for one such row: its signs with their scales, and its hash. */
export function fieldBytes(tags: number): { fixed: number; row: number } {
  const sizes = fieldTensors({ vocabulary: 0, tags }).map(([name, [columns, rows = 1]]) =>
    formatOf(name) === 'f32' ? 4 * columns * rows : (columns * rows * 18) / 128,
  );
  const [[, [width]]] = fieldTensors({ vocabulary: 1, tags });
  return { fixed: sizes.reduce((sum, size) => sum + size, 4096), row: (width * 18) / 128 + 4 };
}

export function fieldEntries(model: FieldModel): {
  metadata: [string, WritableValue][];
  tensors: { name: string; shape: readonly number[]; format: Format; values: Float32Array }[];
} {
  const { labels, space, network, calibration } = model;
  return {
    metadata: [
      [LABELS, [...labels]],
      [HASHES, space.hashes],
      [SLOPE, { type: 'f32', value: calibration.slope }],
      [OFFSET, { type: 'f32', value: calibration.offset }],
    ],
    tensors: fieldTensors(network.shape).map(([name, shape]) => ({
      ...{ name: `fields.${name}`, shape, format: formatOf(name) },
      values: network.weights[name],
    })),
  };
}

/** The reader of fields in a file, where there is one. Everything is read before memory is taken. @param wrong makes the error */
export async function readFieldModel(
  gguf: Gguf,
  read: TensorReader,
  wrong: (problem: string) => Error,
): Promise<FieldModel | undefined> {
  if (!gguf.metadata.has(LABELS)) return undefined;
  const labels = metadataStrings(gguf, LABELS);
  const hashes = metadataNumbers(gguf, HASHES);
  if (labels.length < 1 || labels.length > MOST.labels || hashes.length < 1 || hashes.length > MOST.vocabulary) {
    throw wrong(
      `must have 1 to ${MOST.labels} labels of fields and a vocabulary, got ${labels.length} and ${hashes.length}`,
    );
  }
  const shape = { vocabulary: hashes.length, tags: 1 + 2 * labels.length };
  const values = new Map<string, Float32Array>();
  for (const [name, sizes] of fieldTensors(shape)) {
    values.set(name, await read(`fields.${name}`, sizes, formatOf(name)));
  }
  const network = new FieldNetwork(shape);
  for (const [name] of fieldTensors(shape)) network.weights[name].set(values.get(name)!);
  network.chain.refresh();
  const calibration = {
    slope: metadataNumber(gguf, SLOPE, { min: 0, max: 1000 }),
    offset: metadataNumber(gguf, OFFSET, { min: -1000, max: 1000 }),
  };
  return new FieldModel(labels, new FeatureSpace(Uint32Array.from(hashes)), network, calibration);
}

function formatOf(name: string): Format {
  return name === 'bias' || name === 'chain' ? 'f32' : 'q1_0';
}
