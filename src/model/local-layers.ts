// Owns which layers see only the last tokens, and which angles of rotary positions each layer has. Must not know architectures.
import { OnebitError } from '../errors.ts';
import type { GgufValue } from '../gguf/types.ts';
import type { RopeSpec } from '../kernels/backend.ts';

/** Layers that attend to the last tokens only, with rotary positions of their own. */
export interface LocalLayers {
  /** Tokens that they see, their own included. */
  readonly window: number;
  /** Which layers are such. */
  readonly layers: readonly boolean[];
  readonly ropeBase: number;
}

/** Below the prefix: tokens that local layers see. */
export const WINDOW_KEY = 'attention.sliding_window';

/** The keys of a model below its architecture's prefix. */
export type Keys = (key: string) => GgufValue | undefined;

/**
 * What the keys say of local layers; undefined where no layer is one. Where they are silent, each `pattern` layers the last is not local, and the angles
 * are those of `base`.
 * @throws OnebitError `bad-file` for values that cannot be
 */
export function readLocalLayers(
  keys: Keys,
  layers: number,
  { pattern, base }: { readonly pattern: number; readonly base: number },
): LocalLayers | undefined {
  const window = wholeNumber(keys, WINDOW_KEY, 0);
  if (window === 0) return undefined;
  const ropeBase = keys('rope.freq_base_swa') ?? base;
  if (!(typeof ropeBase === 'number' && ropeBase >= 1 && ropeBase <= 1e12)) {
    throw wrongKey('rope.freq_base_swa', 'from 1 to 1e12', ropeBase);
  }
  return { window, layers: readPattern(keys, layers, pattern), ropeBase };
}

function readPattern(keys: Keys, layers: number, pattern: number): readonly boolean[] {
  const key = 'attention.sliding_window_pattern';
  const said = keys(key);
  if (typeof said === 'object') {
    const list = Array.from(said as ArrayLike<unknown>);
    if (typeof list[0] === 'string') throw wrongKey(key, 'a number, or yes and no', list[0]);
    if (list.length < layers) throw wrongKey(key, `a value for each of ${layers} layers`, `${list.length} values`);
    return list.slice(0, layers).map(Boolean);
  }
  const every = wholeNumber(keys, key, pattern);
  return Array.from({ length: layers }, (_, layer) => every === 0 || layer % every < every - 1);
}

function wholeNumber(keys: Keys, key: string, fallback: number): number {
  const value = keys(key) ?? fallback;
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 2 ** 28) return value as number;
  throw wrongKey(key, 'a whole number from 0', value);
}

function wrongKey(key: string, wanted: string, got: GgufValue): OnebitError {
  return new OnebitError(
    'bad-file',
    `load: '${key}' must be ${wanted}, got ${String(got).slice(0, 40)}. The file is damaged; get it again.`,
  );
}

/** What of a model's configuration says how layers see positions. */
interface Positions {
  readonly rope: RopeSpec;
  readonly localRope?: RopeSpec;
  readonly local?: LocalLayers;
}

/** The angles of a layer's rotary positions. */
export function ropeOf({ rope, localRope, local }: Positions, layer: number): RopeSpec {
  return local?.layers[layer] && localRope ? localRope : rope;
}

/** How many of the last tokens a layer sees; undefined: all. */
export function windowOf({ local }: Pick<Positions, 'local'>, layer: number): number | undefined {
  return local?.layers[layer] ? local.window : undefined;
}
