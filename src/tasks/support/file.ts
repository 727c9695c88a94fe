// Owns the file of a support model: GGUF, weights in Q1_0, small vectors in F32, the rest in metadata; the keys are listed in docs/support.md. Files are
// hostile input: everything is bounded and checked before it is used. Must not know how models are trained.
import { memorySource } from '../../bytes/memory-source.ts';
import { openModelBytes } from '../../bytes/open.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { checkOptions, wrong as wrongArgument } from '../../core/check.ts';
import { OnebitError } from '../../errors.ts';
import {
  metadataBoolean,
  metadataNumber,
  metadataNumbers,
  metadataString,
  metadataStrings,
} from '../../gguf/metadata.ts';
import { readGguf } from '../../gguf/read.ts';
import type { Gguf } from '../../gguf/types.ts';
import { TRAINING_KEY, type WritableTensor, type WritableValue, writeGguf } from '../../gguf/write.ts';
import { encodedBytes } from '../../quant/blocks.ts';
import { findNotFinite } from '../../quant/finite.ts';
import type { FormatName } from '../../quant/formats.ts';
import { formatByName } from '../../quant/formats.ts';
import { answerEntries, readAnswerModel } from '../answers/file.ts';
import { fieldEntries, readFieldModel, type TensorReader } from '../fields/file.ts';
import { flagEntries, readFlagModel } from '../flags/index.ts';
import { checkTexts } from '../texts/index.ts';
import { SUPPORT_ARCHITECTURE } from './architecture.ts';
import { SIGNALS } from './calibration.ts';
import { EvidenceSpace } from './evidence.ts';
import { packExamples, unpackExamples } from './examples.ts';
import { Network } from './network.ts';
import { PhraseNetwork, phraseTensors } from './phrase-network.ts';
import type { ThresholdRow } from './promise.ts';
import {
  checkSupportModel,
  type SupportFacts,
  SupportModel,
  type Suspect,
  type TrainedQuestion,
} from './support-model.ts';
import { readTrainingFacts } from './training-facts.ts';
import { MAX_WEIGHT, TRUNK_WIDTH, Trunk, trunkNames } from './trunk.ts';

const VERSION = 2;
const TEXTS = 'support.texts';
const QUESTION = 'support.question';
/** Rarities lie between 1 and 16; files hold them in 16 bits. */
const RARITY_UNIT = 4096;
const MOST = { bytes: 64e6, intents: 20_000, vocabulary: 1_000_000, width: 1024, networks: 16, trunk: 100_000 };

/** The file's bytes, which `loadSupport` opens: that is tried. Throws `bad-argument` for a model trained in full precision. */
export async function saveSupport(model: SupportModel): Promise<Uint8Array> {
  checkSupportModel('saveSupport', model);
  const { parts, facts } = model;
  const { space, networks, outliers } = parts;
  const examples = await packExamples(parts.examples, Number.POSITIVE_INFINITY);
  const u32 = (value: number) => ({ type: 'u32', value }) as const;
  const f32 = (value: number) => ({ type: 'f32', value }) as const;
  const answered = [...model.answers];
  const metadata = new Map<string, WritableValue>([
    ['general.architecture', SUPPORT_ARCHITECTURE],
    ['general.name', facts.name],
    ['support.version', u32(VERSION)],
    ['support.intents', [...parts.intents]],
    ['support.answers.intents', answered.map(([intent]) => intent)],
    ['support.answers.texts', answered.map(([, text]) => text)],
    ['support.networks', u32(networks.bags.length)],
    ['support.width', u32(networks.bags[0]?.shape.width ?? 0)],
    ['support.phrase_networks', u32(networks.phrases.length)],
    ['support.out_of_scope_class', parts.hasOutlierClass],
    ['support.vocabulary.hashes', space.hashes],
    ['support.vocabulary.rarities', Uint16Array.from(space.rarity, (x) => Math.round(x * RARITY_UNIT))],
    [trunkNames.hashes, space.trunk.hashes],
    [trunkNames.weights, Uint16Array.from(space.trunk.weights, (x) => Math.round(x * MAX_WEIGHT))],
    ['support.threshold', f32(facts.threshold)],
    ['support.precision', f32(facts.precision)],
    ['support.temperature', f32(facts.temperature)],
    ['support.expected_out_of_scope', f32(facts.expectedOutOfScope)],
    ['support.outlier.bias', f32(outliers.bias)],
    ['support.held_out.accuracy', f32(facts.heldOut.accuracy)],
    ['support.held_out.coverage', f32(facts.heldOut.coverage)],
    ['support.held_out.precision', f32(facts.heldOut.precision)],
    ['support.seed', { type: 'f64', value: facts.seed }],
    ['support.trained_rows', u32(facts.trainedRows)],
    ['support.thresholds', facts.thresholds.map((row) => JSON.stringify(row))],
    ['support.notices', [...facts.notices]],
    ['support.suspects', facts.suspects.map((suspect) => JSON.stringify(suspect))],
    ['support.examples', examples.bytes],
  ]);
  const tensors: WritableTensor[] = [
    { name: trunkNames.signs, shape: [TRUNK_WIDTH, space.trunk.size], format: 'q1_0', bytes: () => space.trunk.rows },
    tensor('centre', [TRUNK_WIDTH], 'f32', space.centre),
    tensor('outlier.mean', [SIGNALS], 'f32', outliers.mean),
    tensor('outlier.scale', [SIGNALS], 'f32', outliers.scale),
    tensor('outlier.weight', [SIGNALS], 'f32', outliers.weights),
  ];
  for (const [i, { shape, weights }] of networks.bags.entries()) {
    for (const [name, sizes] of networkTensors(shape.vocabulary, shape.width, shape.classes)) {
      tensors.push(tensor(`network.${i}.${name}`, sizes, formatOf(sizes), weights[name]));
    }
  }
  for (const [i, { shape, weights }] of networks.phrases.entries()) {
    for (const [name, sizes] of phraseTensors(shape)) {
      tensors.push(tensor(`phrases.${i}.${name}`, sizes, formatOf(sizes), weights[name]));
    }
  }
  if (parts.fields) {
    const entries = fieldEntries(parts.fields);
    for (const [key, value] of entries.metadata) metadata.set(key, value);
    for (const { name, shape, format, values } of entries.tensors) tensors.push(tensor(name, shape, format, values));
  }
  if (parts.documents) {
    const { metadata: more, tensor: senses } = await answerEntries(parts.documents);
    for (const [key, value] of more) metadata.set(key, value);
    tensors.push(tensor(senses.name, senses.shape, 'q1_0', senses.values));
  }
  if (parts.flags) {
    const { metadata: more, tensor: weights } = flagEntries(parts.flags);
    for (const [key, value] of more) metadata.set(key, value);
    tensors.push(tensor(weights.name, weights.shape, 'q8_0', weights.values));
  }
  if (parts.texts) metadata.set(TEXTS, JSON.stringify(parts.texts));
  if (facts.training) metadata.set(TRAINING_KEY, JSON.stringify(facts.training));
  if (parts.question) metadata.set(QUESTION, JSON.stringify(parts.question));
  const pieces: Uint8Array[] = [];
  await writeGguf({ metadata, tensors }, (bytes) => void pieces.push(bytes.slice()));
  const bytes = joined(pieces);
  await loadSupport(bytes);
  return bytes;
}

function tensor(name: string, shape: readonly number[], format: FormatName, values: Float32Array): WritableTensor {
  return {
    ...{ name: format === 'f32' ? name : `${name}.weight`, shape, format },
    bytes: () => {
      const coder = formatByName(format);
      const bytes = new Uint8Array(encodedBytes(coder, values.length));
      coder.encode(values, bytes);
      const stored = new Float32Array(values.length);
      coder.decode(bytes, stored);
      if (stored.every((value, i) => value === values[i])) return bytes;
      throw new OnebitError(
        'bad-argument',
        `saveSupport: the weights must be those of 1-bit training, got others in ${name}. Train without binary: false.`,
      );
    },
  };
}

/** Matrices are of 1-bit weights, vectors are not. */
function formatOf(sizes: readonly number[]): 'q1_0' | 'f32' {
  return sizes.length === 2 ? 'q1_0' : 'f32';
}

/** Names and sizes of a network's tensors, with the input dimension first. */
type NetworkTensors = readonly (readonly [string, readonly number[]])[];

function networkTensors(vocabulary: number, width: number, classes: number) {
  return [
    ['bag', [width, vocabulary]],
    ['trunk', [TRUNK_WIDTH, width]],
    ['head', [width, classes]],
    ['bias', [classes]],
  ] as const;
}

/**
 * Loads a model from a path, URL, pulled name, bytes or any `ByteSource`.
 * @throws OnebitError `bad-file` for what is no whole support model, `io`, `network`; the signal's reason when aborted
 */
export async function loadSupport(
  input: string | URL | Uint8Array | ByteSource,
  options: { readonly signal?: AbortSignal } = {},
): Promise<SupportModel> {
  const isSource = typeof input === 'object' && input !== null && ('readInto' in input || input instanceof URL);
  if (!isSource && (typeof input !== 'string' || input === '') && !(input instanceof Uint8Array)) {
    throw wrongArgument('loadSupport', 'input', 'be a path, a URL, bytes (Uint8Array) or a ByteSource', input);
  }
  checkOptions('loadSupport', options, { signal: 'signal' });
  const source = await sourceOf(input, options.signal);
  try {
    if (source.size > MOST.bytes) throw wrong(source, `must have at most ${MOST.bytes} bytes, it has ${source.size}`);
    const gguf = await readGguf(source, options);
    const architecture = gguf.metadata.get('general.architecture');
    if (architecture !== SUPPORT_ARCHITECTURE) {
      throw wrong(
        source,
        `must be of architecture ${SUPPORT_ARCHITECTURE}, got ${String(architecture).slice(0, 40)}`,
        'Make one with: onebit support train',
      );
    }
    return await readModel(gguf, source, options.signal);
  } finally {
    await source.close();
  }
}

async function sourceOf(input: string | URL | Uint8Array | ByteSource, signal?: AbortSignal): Promise<ByteSource> {
  if (input instanceof Uint8Array) return memorySource(input);
  if (typeof input === 'object' && 'readInto' in input) return input;
  return openModelBytes(String(input), { signal });
}

async function readModel(gguf: Gguf, source: ByteSource, signal?: AbortSignal): Promise<SupportModel> {
  const count = (key: string, max: number) => metadataNumber(gguf, key, { integer: true, min: 1, max });
  if (count('support.version', 1e6) !== VERSION) {
    throw wrong(
      source,
      `must be of version ${VERSION}, got ${count('support.version', 1e6)}`,
      'Use the version of onebit that made it.',
    );
  }
  const intents = [...metadataStrings(gguf, 'support.intents')];
  // A model of documents alone has no intents and no networks.
  const isOfDocuments = intents.length === 0 && gguf.metadata.has('support.documents');
  if (
    (intents.length < 2 && !isOfDocuments) ||
    intents.length > MOST.intents ||
    new Set(intents).size < intents.length
  ) {
    throw wrong(source, `must have 2 to ${MOST.intents} different intents, got ${intents.length}`);
  }
  const hasOutlierClass = metadataBoolean(gguf, 'support.out_of_scope_class');
  const width = isOfDocuments ? 0 : count('support.width', MOST.width);
  const hashes = integers(gguf, source, 'support.vocabulary.hashes', MOST.vocabulary);
  const rarities = integers(gguf, source, 'support.vocabulary.rarities', MOST.vocabulary, hashes.length);
  const trunkHashes = integers(gguf, source, trunkNames.hashes, MOST.trunk);
  const trunkWeights = integers(gguf, source, trunkNames.weights, MOST.trunk, trunkHashes.length);
  const bytesOf = async (name: string, shape: readonly number[], format: FormatName) => {
    const bytes = await readTensor(gguf, source, name, shape, format, signal);
    const found = findNotFinite(formatByName(format), bytes);
    if (found >= 0) throw wrong(source, `tensor ${name} must be finite, got infinity or NaN in block ${found}`);
    return bytes;
  };
  const vectorOf = async (name: string, size: number) => decoded(await bytesOf(name, [size], 'f32'), size);

  const trunk = new Trunk(
    Uint32Array.from(trunkHashes),
    Float32Array.from(trunkWeights, (weight) => weight / MAX_WEIGHT),
    await bytesOf(trunkNames.signs, [TRUNK_WIDTH, trunkHashes.length], 'q1_0'),
  );
  const rarity = Float32Array.from(rarities, (x) => x / RARITY_UNIT);
  const space = new EvidenceSpace(Uint32Array.from(hashes), rarity, trunk, await vectorOf('centre', TRUNK_WIDTH));
  const outliers = {
    mean: await vectorOf('outlier.mean', SIGNALS),
    scale: await vectorOf('outlier.scale', SIGNALS),
    weights: await vectorOf('outlier.weight', SIGNALS),
    bias: metadataNumber(gguf, 'support.outlier.bias'),
  };
  const classes = intents.length + Number(hasOutlierClass);
  if (width % 128 !== 0) throw wrong(source, `support.width must be a multiple of 128, got ${width}`);
  // Everything is read before memory for its weights is taken: a file cannot ask for more than it brings.
  const read = async (prefix: string, tensors: NetworkTensors) => {
    const found: { name: string; format: FormatName; bytes: Uint8Array }[] = [];
    for (const [name, shape] of tensors) {
      const format = formatOf(shape);
      const whole = `${prefix}.${name}${format === 'f32' ? '' : '.weight'}`;
      found.push({ name, format, bytes: await bytesOf(whole, shape, format) });
    }
    return (weights: object) => {
      for (const { name, format, bytes } of found) {
        formatByName(format).decode(bytes, (weights as Record<string, Float32Array>)[name]);
      }
    };
  };
  const bags: Network[] = [];
  for (let i = 0; i < (isOfDocuments ? 0 : count('support.networks', MOST.networks)); i++) {
    const fill = await read(`network.${i}`, networkTensors(space.size, width, classes));
    const network = new Network({ vocabulary: space.size, width, classes });
    fill(network.weights);
    bags.push(network);
  }
  const phrases: PhraseNetwork[] = [];
  const phraseNetworks = metadataNumber(gguf, 'support.phrase_networks', { integer: true, min: 0, max: MOST.networks });
  for (let i = 0; i < phraseNetworks; i++) {
    const shape = { vocabulary: space.size, classes };
    const fill = await read(`phrases.${i}`, phraseTensors(shape));
    const network = new PhraseNetwork(shape);
    fill(network.weights);
    network.sumHeads(network.weights);
    phrases.push(network);
  }
  const readValues: TensorReader = async (name, shape, format) => {
    const whole = `${name}${format === 'f32' ? '' : '.weight'}`;
    const size = shape.reduce((product, length) => product * length, 1);
    return decoded(await bytesOf(whole, shape, format), size, format);
  };
  const fields = await readFieldModel(gguf, readValues, (problem) => wrong(source, problem));
  const documents = await readAnswerModel(gguf, readValues, trunk);
  const flags = await readFlagModel(gguf, readValues, space.size, (problem) => wrong(source, problem));
  const texts = jsonOf(gguf, source, TEXTS, (value) => checkTexts('read support model', value));
  const training = jsonOf(gguf, source, TRAINING_KEY, readTrainingFacts);
  const question = jsonOf(gguf, source, QUESTION, (value) => questionOf(value, intents));
  return new SupportModel({
    ...{ ...(fields ? { fields } : {}), ...(documents ? { documents } : {}) },
    ...{ ...(flags ? { flags } : {}), ...(texts ? { texts } : {}), ...(question ? { question } : {}) },
    ...{
      facts: { ...factsOf(gguf), ...(training ? { training } : {}) },
      intents,
      answers: answersOf(gguf, source),
      space,
      networks: { bags, phrases },
      hasOutlierClass,
      outliers,
    },
    examples: await unpackExamples(Uint8Array.from(integers(gguf, source, 'support.examples', MOST.bytes))),
  });
}

function factsOf(gguf: Gguf): SupportFacts {
  const share = (key: string) => metadataNumber(gguf, key, { min: 0, max: 1 });
  // What a person gave is that number again: 0.8, not what four bytes make of it.
  const given = (key: string) => Number(share(key).toPrecision(7));
  return {
    name: metadataString(gguf, 'general.name', { default: 'support' }),
    threshold: share('support.threshold'),
    precision: given('support.precision'),
    expectedOutOfScope: given('support.expected_out_of_scope'),
    temperature: metadataNumber(gguf, 'support.temperature', { min: 1e-3, max: 1e3 }),
    heldOut: {
      accuracy: share('support.held_out.accuracy'),
      coverage: share('support.held_out.coverage'),
      precision: share('support.held_out.precision'),
    },
    thresholds: gguf.metadata.has('support.thresholds')
      ? metadataStrings(gguf, 'support.thresholds').map(thresholdOf)
      : [],
    seed: metadataNumber(gguf, 'support.seed'),
    trainedRows: metadataNumber(gguf, 'support.trained_rows', { min: 0 }),
    notices: metadataStrings(gguf, 'support.notices'),
    suspects: metadataStrings(gguf, 'support.suspects').map(suspectOf),
  };
}

function thresholdOf(json: string): ThresholdRow {
  try {
    const row = JSON.parse(json);
    const share = (value: unknown) => (value === null ? null : Number(value));
    return {
      ...{ precision: Number(row.precision), threshold: share(row.threshold), answered: Number(row.answered) },
      ...{ right: share(row.right), low: share(row.low), high: share(row.high) },
    };
  } catch (cause) {
    throw new OnebitError('bad-file', 'read support model: support.thresholds must be JSON objects. Train it again.', {
      cause,
    });
  }
}

/** What a key holds as JSON, checked; undefined where the file has none. */
function jsonOf<Value>(
  gguf: Gguf,
  source: ByteSource,
  key: string,
  check: (value: unknown) => Value,
): Value | undefined {
  if (!gguf.metadata.has(key)) return undefined;
  try {
    return check(JSON.parse(metadataString(gguf, key)));
  } catch (cause) {
    throw wrong(source, `must have JSON in ${key}, got ${(cause as Error).message.replace(/\.$/, '')}`);
  }
}

function questionOf(value: unknown, intents: readonly string[]): TrainedQuestion {
  const { type, instructions, labels } = (value ?? {}) as Partial<TrainedQuestion>;
  const isType = type === 'yes-no' || type === 'choice' || type === 'score';
  const isList = Array.isArray(labels) && labels.length === intents.length && labels.every((x) => intents.includes(x));
  if (isType && isList && typeof instructions === 'string') return { type, instructions, labels };
  throw new Error('another question');
}

function suspectOf(json: string): Suspect {
  try {
    const { text, intent, suggested, probability } = JSON.parse(json);
    return {
      text: String(text),
      intent: String(intent),
      suggested: String(suggested),
      probability: Number(probability),
    };
  } catch (cause) {
    throw new OnebitError('bad-file', 'read support model: support.suspects must be JSON objects. Train it again.', {
      cause,
    });
  }
}

function answersOf(gguf: Gguf, source: ByteSource): Map<string, string> {
  const intents = metadataStrings(gguf, 'support.answers.intents');
  const texts = metadataStrings(gguf, 'support.answers.texts');
  if (intents.length !== texts.length) {
    throw wrong(source, `must have an intent for each answer, got ${intents.length} and ${texts.length}`);
  }
  return new Map(intents.map((intent, i) => [intent, texts[i]]));
}

function integers(gguf: Gguf, source: ByteSource, key: string, most: number, exactly?: number): Float64Array {
  const values = metadataNumbers(gguf, key);
  if (values.length > most || (exactly !== undefined && values.length !== exactly)) {
    throw wrong(source, `${key} must have ${exactly ?? `at most ${most}`} numbers, got ${values.length}`);
  }
  return values;
}

async function readTensor(
  gguf: Gguf,
  source: ByteSource,
  name: string,
  shape: readonly number[],
  format: FormatName,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const tensor = gguf.tensors.get(name);
  if (!tensor || tensor.format !== format || tensor.shape.join() !== shape.join()) {
    const got = tensor ? `${tensor.format} [${tensor.shape}]` : 'none';
    throw wrong(source, `tensor ${name} must be ${format} [${shape}], got ${got}`);
  }
  const bytes = new Uint8Array(tensor.sizeBytes);
  await source.readInto(bytes, tensor.offsetBytes, signal);
  return bytes;
}

function decoded(bytes: Uint8Array, size: number, format: FormatName = 'f32'): Float32Array {
  const values = new Float32Array(size);
  formatByName(format).decode(bytes, values);
  return values;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function wrong(source: ByteSource, problem: string, advice = 'Train it again.'): OnebitError {
  return new OnebitError('bad-file', `read support model: ${source.name} ${problem}. ${advice}`);
}
