// Owns which angles of rotary positions a file's keys ask for. Must not know layers.
import { OnebitError } from '../errors.ts';
import { metadataNumber, metadataString } from '../gguf/metadata.ts';
import type { Gguf } from '../gguf/types.ts';
import type { RopeSpec } from '../kernels/backend.ts';
import type { Architecture } from './architecture.ts';
import { type RopeScaling, scaledAngles } from './rope-scaling.ts';

/** The angles that the keys of `gguf` ask for: of most layers, and of local ones. */
export interface Rotations {
  readonly rope: RopeSpec;
  /** Angles of another base, which no scaling changes. */
  local(base: number): RopeSpec;
}

/** @throws OnebitError `bad-file` or `unsupported`, naming the key */
export function readRotations(gguf: Gguf, architecture: Architecture, headSize: number): Rotations {
  const prefix = `${architecture.name}.rope.`;
  const dims = metadataNumber(gguf, `${prefix}dimension_count`, {
    default: headSize,
    integer: true,
    min: 2,
    max: headSize,
  });
  if (dims % 2 !== 0) throw new OnebitError('bad-file', `load: '${prefix}dimension_count' must be even, got ${dims}.`);
  const base = metadataNumber(gguf, `${prefix}freq_base`, { default: 10000, min: 1, max: 1e12 });
  const attention = metadataNumber(gguf, `${prefix}scaling.attn_factor`, { default: 1, min: 1e-3, max: 1e3 });
  const spec = (base: number, scaling?: RopeScaling): RopeSpec => {
    const { frequencies, magnitude } = scaledAngles(dims, base, scaling);
    return { dims, pairing: architecture.ropePairing, frequencies, magnitude: magnitude * attention };
  };
  return { rope: spec(base, readRopeScaling(gguf, architecture.name)), local: (base) => spec(base) };
}

/**
 * How the keys of an architecture scale angles; undefined where they do not.
 * @throws OnebitError `bad-file` or `unsupported`, naming the key
 */
export function readRopeScaling(gguf: Gguf, architecture: string): RopeScaling | undefined {
  const prefix = `${architecture}.rope.`;
  // Old files have `scale_linear`, and those with a factor and no type mean a linear one: as llama.cpp reads them.
  const [factorKey, oldKey] = [`${prefix}scaling.factor`, `${prefix}scale_linear`];
  const old = !gguf.metadata.has(factorKey) && gguf.metadata.has(oldKey);
  const hasFactor = old || gguf.metadata.has(factorKey);
  const type = metadataString(gguf, `${prefix}scaling.type`, { default: hasFactor ? 'linear' : 'none' });
  if (type === 'none') return undefined;
  const factor = metadataNumber(gguf, old ? oldKey : factorKey, { min: 1e-3, max: 1e6 });
  if (type === 'linear') return { type, factor };
  if (type === 'yarn') {
    return {
      type,
      factor,
      originalContext: metadataNumber(gguf, `${prefix}scaling.original_context_length`, { min: 1, max: 1 << 28 }),
      betaFast: metadataNumber(gguf, `${prefix}scaling.yarn_beta_fast`, { default: 32, min: 1e-3, max: 1e6 }),
      betaSlow: metadataNumber(gguf, `${prefix}scaling.yarn_beta_slow`, { default: 1, min: 1e-3, max: 1e6 }),
    };
  }
  throw new OnebitError(
    'unsupported',
    `load: '${prefix}scaling.type' must be none, linear or yarn, got '${type.slice(0, 40)}'. The engine would give wrong text beyond the first tokens.`,
  );
}
