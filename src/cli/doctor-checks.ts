// Owns what `onebit doctor` can tell from a file's header: whether it is what it says, and what to do. Must not read weights (doctor-weights.ts) nor print.
import { OnebitError } from '../errors.ts';
import type { Gguf, GgufValue } from '../gguf/types.ts';
import { chatTemplateOf } from '../language-model.ts';
import { readModelConfig } from '../model/config.ts';
import { checkTensors } from '../model/weights.ts';
import { formatByName } from '../quant/formats.ts';
import { createTokenizer, type Tokenizer } from '../tokenizer/tokenizer.ts';

/** One thing that was found. */
export interface Finding {
  /** `wrong`: text of this model is or will be wrong, here or elsewhere; `note`: worth knowing. */
  readonly severity: 'wrong' | 'note';
  /** Which check it is from. */
  readonly check: string;
  readonly what: string;
  /** What to do: a command where one helps. */
  readonly advice?: string;
}

/** A file as checks see it. */
export interface Patient {
  /** As the user named it: what commands are told. */
  readonly name: string;
  readonly gguf: Gguf;
}

/** Quotes a name for a shell. */
export function quoted(name: string): string {
  return /^[\w./:@%+=-]+$/.test(name) ? name : `'${name.replace(/'/g, `'\\''`)}'`;
}

const GET_AGAIN = 'Get the file again, or convert the model again.';

/** The command that mends metadata. */
function mend({ name }: Patient, ...settings: string[]): string {
  return `onebit convert ${quoted(name)} -o mended.gguf --type same ${settings.map((text) => `--set ${quoted(text)}`).join(' ')}`;
}

/** Everything that the header tells. */
export function checkHeader(patient: Patient): Finding[] {
  return [
    ...legacyTwoBit(patient),
    ...droppedRotation(patient),
    ...activation(patient),
    ...scaledPositions(patient),
    ...runs(patient),
    ...talks(patient),
  ];
}

function keyOf({ gguf }: Patient, suffix: string): GgufValue | undefined {
  return gguf.metadata.get(`${gguf.metadata.get('general.architecture')}.${suffix}`);
}

function formatsOf({ gguf }: Patient): Set<string> {
  return new Set([...gguf.tensors.values()].filter(({ shape }) => shape.length > 1).map(({ format }) => format));
}

function legacyTwoBit(patient: Patient): Finding[] {
  if (!formatsOf(patient).has('q2_0-128')) return [];
  const what =
    'its Q2_0 weights are in the older blocks of 128 behind id 42, which now means blocks of 64: onebit reads both, all other programs read gibberish or refuse the file';
  const advice = `onebit convert ${quoted(patient.name)} -o q2_0.gguf --type q2_0`;
  return [{ severity: 'wrong', check: 'legacy-q2_0', what, advice }];
}

function droppedRotation(patient: Patient): Finding[] {
  const { gguf } = patient;
  if ([...gguf.metadata.keys()].some((key) => key.startsWith('prism.hadamard.'))) return []; // reading the header says so
  const formats = formatsOf(patient);
  const rotated = ['pq2_0', 'ptq1_0'].filter((format) => formats.has(format));
  if (gguf.metadata.get('general.architecture') !== 'qwen35' || rotated.length === 0) return [];
  const what = `a qwen35 model with ${rotated.join(' and ')} weights has them in a Hadamard-rotated basis, and the keys prism.hadamard.* that say which are missing: a quantiser dropped them, and text will be gibberish everywhere`;
  return [{ severity: 'wrong', check: 'dropped-hadamard', what, advice: 'Get the file again from whoever made it.' }];
}

function activation(patient: Patient): Finding[] {
  const { gguf } = patient;
  const architecture = String(gguf.metadata.get('general.architecture'));
  if (!architecture.startsWith('bitnet') || keyOf(patient, 'hidden_activation') !== undefined) return [];
  const advice = mend(patient, `${architecture}.hidden_activation=relu2`);
  if (architecture === 'bitnet') {
    const what =
      'the key bitnet.hidden_activation is missing: programs take SiLU, which is right for the older models of this architecture only; BitNet b1.58 2B-4T and its kin are made for relu²';
    return [{ severity: 'wrong', check: 'missing-activation', what, advice }];
  }
  const what = `the key ${architecture}.hidden_activation is missing: relu² is right for this architecture, and some programs run it with SiLU`;
  return [{ severity: 'wrong', check: 'missing-activation', what, advice }];
}

/** Rows of the vocabulary of 1-bit and ternary Bonsai; Qwen3's own files have more. */
const BONSAI_VOCABULARY = 151_669;
/** Keys that only YaRN has, below `rope.scaling.`. */
const YARN_KEYS = ['original_context_length', 'finetuned', 'yarn_beta_fast', 'yarn_beta_slow', 'yarn_ext_factor'];

function scaledPositions(patient: Patient): Finding[] {
  const prefix = `${patient.gguf.metadata.get('general.architecture')}.rope.scaling.`;
  const of = (key: string) => keyOf(patient, `rope.scaling.${key}`);
  const number = (value: unknown) => (typeof value === 'number' && value > 0 ? value : undefined);
  const type = of('type');
  const context = number(keyOf(patient, 'context_length'));
  const [factor, original] = [number(of('factor')), number(of('original_context_length'))];
  const finding = (what: string, assumed = factor): Finding => {
    // What is missing follows from what is left.
    const scale = assumed ?? (context && original && context > original ? context / original : undefined);
    const length = original ?? (context && scale && scale > 1 ? Math.round(context / scale) : undefined);
    const missing = [
      ...(type === 'yarn' ? [] : ['type=yarn']),
      ...(factor ? [] : [`factor=f32:${scale}`]),
      ...(original ? [] : [`original_context_length=u32:${length}`]),
    ];
    const advice = scale && length ? mend(patient, ...missing.map((setting) => prefix + setting)) : GET_AGAIN;
    return { severity: 'wrong', check: 'yarn', what, advice };
  };
  if (type === 'yarn' && !(factor && original)) {
    const missing = factor ? 'original_context_length' : original ? 'factor' : 'factor and original_context_length';
    return [finding(`positions are scaled by YaRN, and ${prefix}${missing} is missing`)];
  }
  if (type !== undefined && type !== 'none') return [];
  const left = YARN_KEYS.filter((key) => of(key) !== undefined && of(key) !== false);
  if (type === undefined && left.length > 0) {
    const what = `${prefix}type is missing beside ${left.join(' and ')}, which only YaRN has: positions are scaled in another way or not at all, and text becomes worse with every token`;
    return [finding(what)];
  }
  if (!isBonsai(patient) || context === undefined || context < 32_768) return [];
  const what = `it has the shape of a Bonsai model, whose positions are scaled by YaRN (factor 4), and the keys ${prefix}* are missing: text becomes worse with every token`;
  return [finding(what, 4)];
}

function isBonsai(patient: Patient): boolean {
  const { metadata, tensors } = patient.gguf;
  const narrow = [...formatsOf(patient)].some((format) =>
    ['binary', 'ternary'].includes(formatByName(format as Parameters<typeof formatByName>[0]).kind),
  );
  if (metadata.get('general.architecture') !== 'qwen3' || !narrow) return false;
  const named = [...metadata].some(
    ([key, value]) => key.startsWith('general.') && typeof value === 'string' && /bonsai/i.test(value),
  );
  return named || tensors.get('token_embd.weight')?.shape[1] === BONSAI_VOCABULARY;
}

/** Whether this engine runs it. */
function runs({ gguf, name }: Patient): Finding[] {
  try {
    const config = readModelConfig(gguf);
    checkTensors(gguf, config);
    if (config.headSize % 4 === 0) return [];
    const what = `its attention heads have ${config.headSize} numbers, no multiple of 4: only the slow reference backend runs it`;
    const advice = `onebit generate -m ${quoted(name)} --backend reference -p Hello`;
    return [{ severity: 'note', check: 'model', what, advice }];
  } catch (error) {
    return problemsOf(error).map((what) => ({ severity: 'wrong', check: 'model', what }));
  }
}

/** Tokenizer, template, and whether an answer would end. */
function talks(patient: Patient): Finding[] {
  const { gguf } = patient;
  let tokenizer: Tokenizer;
  try {
    tokenizer = createTokenizer(gguf.metadata);
  } catch (error) {
    return problemsOf(error).map((what) => ({ severity: 'wrong', check: 'tokenizer', what }));
  }
  const findings: Finding[] = [];
  const rows = gguf.tensors.get('token_embd.weight')?.shape[1] ?? 0;
  if (rows > 0 && tokenizer.vocabularySize > rows) {
    const what = `the tokenizer has ${tokenizer.vocabularySize} tokens, the embedding ${rows} rows: they are not of one model`;
    findings.push({
      severity: 'wrong',
      check: 'tokenizer',
      what,
      advice: GET_AGAIN,
    });
  }
  if (tokenizer.endOfGeneration.size === 0) {
    const end = ['<|im_end|>', '<|eot_id|>', '<|endoftext|>', '</s>']
      .map((text) => tokenizer.tokenId(text))
      .find((token) => token !== undefined);
    const what = 'no token ends a text: answers go on until their limit';
    const advice = end === undefined ? undefined : mend(patient, `tokenizer.ggml.eos_token_id=u32:${end}`);
    findings.push({ severity: 'wrong', check: 'end-of-turn', what, advice });
  }
  return [...findings, ...templateFits(patient, tokenizer)];
}

/** What templates write as control tokens. */
const MARKERS = /<\|[^\s<>|]+\|>|<｜[^\s<>｜]+｜>|<\/?s>|<eos>|<(?:start|end)_of_\w+>/g;
/** What Zephyr and its kin write as text. */
const PLAIN_ROLES = /^<\|(?:system|user|assistant|tool)\|>$/;

function templateFits(patient: Patient, tokenizer: Tokenizer): Finding[] {
  const { gguf } = patient;
  if (gguf.metadata.get('tokenizer.chat_template') === undefined) {
    const what = 'there is no chat template; chats are written as ChatML';
    if (tokenizer.tokenId('<|im_start|>') !== undefined) return [{ severity: 'note', check: 'template', what }];
    const unknown = `${what}, whose <|im_start|> is no token of this model: it is for continuing texts, not for chats`;
    return [
      {
        severity: 'note',
        check: 'template',
        what: unknown,
        advice: `onebit generate -m ${quoted(patient.name)} -p Hello`,
      },
    ];
  }
  let text: string;
  try {
    const template = chatTemplateOf(gguf, tokenizer);
    text = template
      .render([{ role: 'user', content: 'Question?' }, { role: 'assistant', content: 'Answer.' }, { role: 'user', content: 'And?' }], { addGenerationPrompt: false }) // biome-ignore format: short
      .join('');
    if (!text.includes('Question?')) throw new OnebitError('bad-file', 'it leaves out what the user said');
    if (!text.includes('Answer.')) throw new OnebitError('bad-file', 'it leaves out what the model said');
  } catch (error) {
    const what = `the chat template does not take a conversation: ${(error as Error).message}`;
    return [{ severity: 'wrong', check: 'template', what, advice: GET_AGAIN }];
  }
  const turn = text.slice(text.indexOf('Answer.') + 'Answer.'.length);
  const [first] = tokenizer.encode(turn.trimStart(), { special: true });
  const ends = first !== undefined && tokenizer.endOfGeneration.has(first);
  const findings: Finding[] = [];
  const strange = [...new Set(text.match(MARKERS) ?? [])].filter(
    (marker) => tokenizer.encode(marker, { special: true }).length !== 1 && !(ends && PLAIN_ROLES.test(marker)),
  );
  const ordinary = strange.filter((marker) => tokenizer.tokenId(marker) !== undefined);
  if (strange.length > ordinary.length) {
    const unknown = strange.filter((marker) => !ordinary.includes(marker));
    const what = `the chat template writes ${unknown.join(', ')}, which the vocabulary does not have: template and tokenizer are of different models`;
    findings.push({ severity: 'wrong', check: 'template', what, advice: GET_AGAIN });
  }
  if (ordinary.length > 0) {
    const what = `the chat template writes ${ordinary.join(', ')}, which the vocabulary has as ordinary text and no control token, so that it is read letter by letter`;
    findings.push({ severity: 'wrong', check: 'template', what, advice: GET_AGAIN });
  }
  if (first === undefined || ends) return findings;
  const end = new TextDecoder().decode(tokenizer.bytesOf(first));
  if (tokenizer.isSpecial(first) || end.replace(MARKERS, '') === '') {
    const what = `the chat template ends an answer with ${end}, which is no token that ends a turn: answers go on with the next question`;
    const advice = mend(patient, `tokenizer.ggml.eot_token_id=u32:${first}`);
    findings.push({ severity: 'wrong', check: 'end-of-turn', what, advice });
  }
  return findings;
}

/** What an error says, problem by problem. */
export function problemsOf(error: unknown): string[] {
  if (!(error instanceof OnebitError)) throw error;
  return error.problems.length > 0 ? [...error.problems] : [error.message];
}
