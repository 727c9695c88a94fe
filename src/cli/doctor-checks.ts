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

function scaledPositions(patient: Patient): Finding[] {
  const { gguf } = patient;
  const architecture = String(gguf.metadata.get('general.architecture'));
  const type = keyOf(patient, 'rope.scaling.type');
  const context = keyOf(patient, 'context_length');
  const [factor, original] = ['factor', 'original_context_length'].map((key) => keyOf(patient, `rope.scaling.${key}`));
  const wrong = (what: string, ...settings: string[]): Finding[] => [
    { severity: 'wrong', check: 'yarn', what, advice: settings.length > 0 ? mend(patient, ...settings) : undefined },
  ];
  const prefix = `${architecture}.rope.scaling.`;
  if (type === 'yarn' && (typeof factor !== 'number' || typeof original !== 'number')) {
    const length = typeof context === 'number' && typeof factor === 'number' ? Math.round(context / factor) : undefined;
    return wrong(
      `positions are scaled by YaRN, and ${prefix}factor or original_context_length is missing`,
      ...(length ? [`${prefix}original_context_length=u32:${length}`] : []),
    );
  }
  if (type !== undefined && type !== 'none') return [];
  const narrow = [...formatsOf(patient)].some((format) =>
    ['binary', 'ternary'].includes(formatByName(format as Parameters<typeof formatByName>[0]).kind),
  );
  const rows = gguf.tensors.get('token_embd.weight')?.shape[1];
  const isBonsai = /bonsai/i.test(String(gguf.metadata.get('general.name'))) || rows === BONSAI_VOCABULARY;
  if (architecture !== 'qwen3' || !narrow || !isBonsai || typeof context !== 'number' || context < 32_768) return [];
  return wrong(
    `it has the shape of a Bonsai model, whose positions are scaled by YaRN (factor 4), and the keys ${prefix}* are missing: text becomes worse with every token`,
    ...[`${prefix}type=yarn`, `${prefix}factor=f32:4`, `${prefix}original_context_length=u32:${context / 4}`],
  );
}

/** Whether this engine runs it. */
function runs({ gguf }: Patient): Finding[] {
  try {
    checkTensors(gguf, readModelConfig(gguf));
    return [];
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
      advice: 'Get the file again, or convert the model again.',
    });
  }
  if (tokenizer.endOfGeneration.size === 0) {
    const end = ['<|im_end|>', '<|eot_id|>', '<|endoftext|>', '</s>']
      .map((text) => tokenizer.tokenId(text))
      .find(Boolean);
    const what = 'no token ends a text: answers go on until their limit';
    const advice = end === undefined ? undefined : mend(patient, `tokenizer.ggml.eos_token_id=u32:${end}`);
    findings.push({ severity: 'wrong', check: 'end-of-turn', what, advice });
  }
  return [...findings, ...templateFits(patient, tokenizer)];
}

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
  let turn: string;
  try {
    const template = chatTemplateOf(gguf, tokenizer);
    const said = (content: string) =>
      template
        .render([{ role: 'user', content: 'Question?' }, { role: 'assistant', content }, { role: 'user', content: 'And?' }], { addGenerationPrompt: false }) // biome-ignore format: short
        .join('');
    const text = said('Answer.');
    turn = text.slice(text.indexOf('Answer.') + 'Answer.'.length);
    if (!text.includes('Answer.')) throw new OnebitError('bad-file', 'it leaves out what the model said');
  } catch (error) {
    const what = `the chat template does not take a conversation: ${(error as Error).message}`;
    return [{ severity: 'wrong', check: 'template', what, advice: 'Get the file again, or convert the model again.' }];
  }
  const findings: Finding[] = [];
  const strange = [...new Set(turn.match(/<\|[\w-]+\|>/g) ?? [])].filter(
    (text) => tokenizer.tokenId(text) === undefined,
  );
  if (strange.length > 0) {
    const what = `the chat template writes ${strange.join(', ')}, which the vocabulary does not have: template and tokenizer are of different models`;
    findings.push({
      severity: 'wrong',
      check: 'template',
      what,
      advice: 'Get the file again, or convert the model again.',
    });
  }
  const [first] = tokenizer.encode(turn.trimStart(), { special: true });
  const ends = first !== undefined && tokenizer.endOfGeneration.has(first);
  if (!ends && first !== undefined && tokenizer.isSpecial(first)) {
    const text = new TextDecoder().decode(tokenizer.bytesOf(first));
    const what = `the chat template ends an answer with ${text}, which is no token that ends a turn: answers go on with the next question`;
    findings.push({
      severity: 'wrong',
      check: 'end-of-turn',
      what,
      advice: mend(patient, `tokenizer.ggml.eot_token_id=u32:${first}`),
    });
  }
  return findings;
}

/** What an error says, problem by problem. */
export function problemsOf(error: unknown): string[] {
  if (!(error instanceof OnebitError)) throw error;
  return error.problems.length > 0 ? [...error.problems] : [error.message];
}
