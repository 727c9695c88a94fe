// Owns checking the tensor table of a file: formats, shapes, places. Gathers all problems, so that a file is refused once with everything that
// is wrong with it. Sources: ggml's docs/gguf.md; docs/formats.md for the two layouts behind type id 42.
import { OnebitError } from '../errors.ts';
import { type Format, formatsOfGgmlType } from '../quant/formats.ts';
import { ggmlTypeAdvice, ggmlTypeName } from './ggml-types.ts';
import type { TensorInfo } from './types.ts';

/** A tensor as the file's table lists it, unchecked but for lengths and counts. */
export interface TensorEntry {
  readonly name: string;
  readonly shape: readonly number[];
  /** ggml's type id. */
  readonly type: number;
  /** From the start of the tensor data. */
  readonly offset: number;
}

/** Where the tensor data lies. */
export interface DataRegion {
  readonly fileName: string;
  readonly fileSize: number;
  readonly dataOffsetBytes: number;
  readonly alignment: number;
  /** The order of I2_S weights, where the user knows it. */
  readonly i2sLayout?: I2sLayout;
}

/** Weights in a group of I2_S: 128 as x86 builds and converters write them, 64 as ARM builds did. */
export type I2sLayout = '128' | '64';

/** ggml's type ids whose layout the id alone does not tell. */
const TWO_BIT = 42;
const I2_S = 36;

/** Problems by the error code they call for. */
export interface Problems {
  readonly badFile: string[];
  readonly unsupported: string[];
}

/** An entry whose own facts hold up; `formats` has two members while the layout behind its id is undecided. */
interface Candidate {
  readonly entry: TensorEntry;
  readonly weights: number;
  readonly formats: readonly Format[];
  readonly start: number;
  /** Bytes up to the next tensor, or to the end of the file. */
  extent: number;
  last: boolean;
}

/** Checks all tensors and resolves their formats and places. Problems are appended to `problems`; the result is complete only if none were. */
export function resolveTensors(
  entries: readonly TensorEntry[],
  region: DataRegion,
  problems: Problems,
): Map<string, TensorInfo> {
  const candidates: Candidate[] = [];
  const seen = new Set<string>();
  for (const entry of entries) {
    if (seen.has(entry.name)) problems.badFile.push(`tensor ${entry.name}: names must be unique, it is listed twice.`);
    seen.add(entry.name);
    const candidate = checkEntry(entry, region, problems);
    if (candidate) candidates.push(candidate);
  }
  measureExtents(entries, candidates, region);
  const decided = new Map([
    [TWO_BIT, decideTwoBit(candidates, region, problems)],
    [I2_S, decideI2s(candidates, region, problems)],
  ]);
  const tensors = new Map<string, TensorInfo>();
  let end = -1;
  let previous = '';
  for (const candidate of [...candidates].sort((a, b) => a.start - b.start)) {
    const format = candidate.formats.length > 1 ? decided.get(candidate.entry.type) : candidate.formats[0];
    if (!format) continue;
    const { name, shape } = candidate.entry;
    const sizeBytes = storedBytes(format, candidate.weights);
    const stop = candidate.start + sizeBytes;
    if (stop > region.fileSize) {
      problems.badFile.push(
        `tensor ${name}: its data takes bytes ${candidate.start}..${stop}, the file has ${region.fileSize}; cut short. Get the file again.`,
      );
    } else if (candidate.start < end) {
      problems.badFile.push(
        `tensor ${name}: its data at byte ${candidate.start} overlaps ${previous}, which ends at ${end}.`,
      );
    }
    if (stop > end) {
      end = stop;
      previous = name;
    }
    tensors.set(name, { name, shape, format: format.name, offsetBytes: candidate.start, sizeBytes });
  }
  return inFileOrder(entries, tensors);
}

function inFileOrder(entries: readonly TensorEntry[], found: ReadonlyMap<string, TensorInfo>): Map<string, TensorInfo> {
  const ordered = new Map<string, TensorInfo>();
  for (const { name } of entries) {
    const tensor = found.get(name);
    if (tensor) ordered.set(name, tensor);
  }
  return ordered;
}

function checkEntry(entry: TensorEntry, region: DataRegion, problems: Problems): Candidate | undefined {
  const { name, shape, type, offset } = entry;
  const bad = (text: string) => {
    problems.badFile.push(`tensor ${name}: ${text}`);
    return undefined;
  };
  let weights = 1;
  for (const size of shape) {
    if (size === 0) return bad(`sizes must be positive, got ${shape.join(' × ')}.`);
    if (weights > Number.MAX_SAFE_INTEGER / size)
      return bad(`${shape.join(' × ')} weights are more than 2^53; corrupt.`);
    weights *= size;
  }
  if (offset % region.alignment !== 0)
    return bad(`its offset must be a multiple of ${region.alignment}, got ${offset}.`);
  const start = region.dataOffsetBytes + offset;
  if (start >= region.fileSize) {
    return bad(`its data starts at byte ${start}, the file has ${region.fileSize}; cut short. Get the file again.`);
  }
  const known = formatsOfGgmlType(type);
  if (known.length === 0) {
    problems.unsupported.push(
      `tensor ${name}: type id ${type} (${ggmlTypeName(type)}) is not supported. ${ggmlTypeAdvice(type)}`,
    );
    return undefined;
  }
  const formats = known.filter((format) => shape[0] % format.blockSize === 0);
  if (formats.length === 0) {
    return bad(`rows of ${known[0].ggmlName} must be a multiple of ${known[0].blockSize} weights, got ${shape[0]}.`);
  }
  // A tensor of such an id stays undecided even if its rows allow only one layout: its size is checked too.
  return { entry, weights, formats: known.length > 1 ? known : formats, start, extent: 0, last: false };
}

/** Fills in how many bytes lie between each candidate's start and the next start of any tensor behind it. */
function measureExtents(entries: readonly TensorEntry[], candidates: readonly Candidate[], region: DataRegion): void {
  const starts = [...new Set(entries.map((entry) => region.dataOffsetBytes + entry.offset))].sort((a, b) => a - b);
  const next = new Map(starts.map((start, i) => [start, starts[i + 1] as number | undefined]));
  for (const candidate of candidates) {
    const stop = next.get(candidate.start);
    candidate.last = stop === undefined || stop > region.fileSize;
    candidate.extent = (candidate.last ? region.fileSize : (stop as number)) - candidate.start;
  }
}

/**
 * Decides which layout a file's id-42 tensors have. A tensor takes its size rounded up to the alignment (the last one may end unrounded), so
 * the distance to the next tensor tells the layouts apart unless the tensor is tiny. All tensors of a file must agree. Where all are so tiny that
 * both fit, ggml's own layout is taken, as every stock build does.
 */
function decideTwoBit(candidates: readonly Candidate[], region: DataRegion, problems: Problems): Format | undefined {
  const undecided = candidates.filter((candidate) => candidate.entry.type === TWO_BIT);
  if (undecided.length === 0) return undefined;
  const layouts = undecided[0].formats;
  const fitting = layouts.filter((format) => undecided.every((candidate) => fits(candidate, format, region)));
  if (fitting.length > 0) return fitting[0];
  // None fits all. Report each tensor that fits neither; a last one that is too short was cut and does not speak against the others.
  const complete = undecided.filter((candidate) => !isCut(candidate));
  const likely = layouts.find((format) => complete.every((candidate) => fits(candidate, format, region)));
  if (likely && complete.length < undecided.length) return likely;
  for (const candidate of undecided) {
    if (layouts.some((format) => fits(candidate, format, region))) continue;
    const sizes = layouts.map((format) => `${storedBytes(format, candidate.weights)} as ${format.name}`).join(' or ');
    problems.badFile.push(
      `tensor ${candidate.entry.name}: type id 42 must take ${sizes}, the file leaves ${candidate.extent} bytes. Convert the model again.`,
    );
  }
  if (undecided.every((candidate) => layouts.some((format) => fits(candidate, format, region)))) {
    problems.badFile.push(
      'tensors of type id 42 have the sizes of two different layouts (64 and 128 wide). Convert the model again.',
    );
  }
  return undefined;
}

/**
 * Decides which order a file's I2_S tensors have. Both take n/4 + 32 bytes, and hold the same codes: only a row that is no multiple of 128 speaks for the
 * 64-wide order; else it is the one that converters write, unless the user says. Other sizes are those of a type that ggml once had behind this id.
 */
function decideI2s(candidates: readonly Candidate[], region: DataRegion, problems: Problems): Format | undefined {
  const undecided = candidates.filter((candidate) => candidate.entry.type === I2_S);
  if (undecided.length === 0) return undefined;
  const [wide, narrow] = undecided[0].formats;
  const asked = region.i2sLayout;
  const takesNarrow = asked === undefined && undecided.some(({ entry }) => entry.shape[0] % wide.blockSize !== 0);
  const format = asked === '64' || takesNarrow ? narrow : wide;
  const broken = undecided.filter((candidate) => {
    const { name, shape } = candidate.entry;
    if (shape[0] % format.blockSize !== 0) {
      problems.badFile.push(
        `tensor ${name}: rows of I2_S in groups of ${format.blockSize} must be a multiple of that, got ${shape[0]}. Try the other layout (i2sLayout, --i2s-layout).`,
      );
      return true;
    }
    if (isCut(candidate) || fits(candidate, format, region)) return false;
    problems.unsupported.push(
      `tensor ${name}: type id 36 (${ggmlTypeName(I2_S)}) must take ${storedBytes(format, candidate.weights)} bytes as I2_S, the file leaves ${candidate.extent}. Convert the model again.`,
    );
    return true;
  });
  return broken.length === 0 ? format : undefined;
}

function isCut(candidate: Candidate): boolean {
  return (
    candidate.last && candidate.formats.every((format) => candidate.extent < storedBytes(format, candidate.weights))
  );
}

function fits(candidate: Candidate, format: Format, region: DataRegion): boolean {
  if (candidate.entry.shape[0] % format.blockSize !== 0) return false;
  const size = storedBytes(format, candidate.weights);
  const padded = Math.ceil(size / region.alignment) * region.alignment;
  return candidate.extent === padded || (candidate.last && candidate.extent === size);
}

function storedBytes(format: Format, weights: number): number {
  return (weights / format.blockSize) * format.blockBytes + (format.tailBytes ?? 0);
}

/** Throws one error for everything in `problems`, if there is anything. */
export function throwProblems(problems: Problems, fileName: string): void {
  const all = [...problems.badFile, ...problems.unsupported];
  if (all.length === 0) return;
  const shown = all.slice(0, 3).join(' ');
  const more = all.length > 3 ? ` And ${all.length - 3} more problems.` : '';
  throw new OnebitError(
    problems.badFile.length > 0 ? 'bad-file' : 'unsupported',
    `read GGUF ${fileName}: ${shown}${more}`,
    {
      problems: all,
    },
  );
}
