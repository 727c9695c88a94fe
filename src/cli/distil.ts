// Owns `onebit distil`: a 1-bit or ternary model from a full-precision one.
import { Command, Option } from 'commander';
import { memorySource } from '../bytes/memory-source.ts';
import type { ByteSource } from '../bytes/source.ts';
import type { Backend } from '../kernels/backend.ts';
import { openSource } from '../load.ts';
import { modelDigest } from '../provenance/index.ts';
import { tokenizerOf } from '../tokenizer/train-metadata.ts';
import { compareModels, decodeSpeed } from '../train/compare.ts';
import { splitCorpus } from '../train/corpus.ts';
import type { TrainingDocument } from '../train/corpus-document.ts';
import { DocumentEncoder } from '../train/corpus-tokens.ts';
import { DISTIL_RECIPE, naiveModel, studentOf, studentShape } from '../train/distil-start.ts';
import { openEngine } from '../train/engine-run.ts';
import { leading } from '../train/held-out.ts';
import { selfGenerated } from '../train/self-generated.ts';
import { readStartModel, type StartModel } from '../train/start-model.ts';
import { Teacher } from '../train/teacher.ts';
import type { TrainOptions } from '../train/train-options.ts';
import { type CommandContext, numberBetween, wholeNumber } from './context.ts';
import { Outputs } from './outputs.ts';
import { formatBytes, progressLine } from './progress.ts';
import { withModelHint } from './suggest.ts';
import { TrainDisplay } from './train-display.ts';
import { corpusFiles } from './train-files.ts';
import { addDataOptions, addRecipeOptions, addRunOptions, recipeOf, type TrainFlags } from './train-flags.ts';
import { follow, modelInputs, outputsOf, readTexts, runOptionsOf, tableText, type Verdict } from './train-run.ts';

const HELP = `
The student begins as the teacher with rounded weights and learns to predict what the teacher predicts, rounded all the while. A teacher whose rows are no
multiples of the format's blocks (128 for binary, 64 for ternary) is held in a wider student, its numbers several times; --width and --ffn make it wider still,
which costs bytes and loses less. Teachers are GGUF files or folders of Transformers of the architectures llama, qwen2 and qwen3.

Examples:
  onebit distil teacher.gguf stories.txt -o student.gguf --minutes 60
  onebit distil ./from-transformers/ --self-generated 5000 -o student.gguf --weights ternary --minutes 240
  onebit distil teacher.gguf stories.txt -o student.gguf --minutes 60 --resume

Beside OUT: as with train; OUT.html also compares teacher, rounded teacher and student on the held-out texts: bits per byte, divergence from the teacher,
agreement of the likeliest tokens, size and speed.`;

type DistilFlags = TrainFlags & { weights: 'binary' | 'ternary'; selfGenerated?: number; textTokens: number };

const DEFAULT_MINUTES = 30;
const BATCH_TOKENS = 2048;
const TEACHER_SHARE = 0.9;
/** Longest sequences, unless told: a story. */
const CONTEXT = 256;
/** Texts that the teacher writes at a time. */
const LANES = 64;
/** Held-out bytes that models are compared on. */
const COMPARED_BYTES = 60_000;

/** The command `distil`. */
export function distilCommand({ signal, endsInOrder }: CommandContext): Command {
  const command = new Command('distil')
    .description('make a full-precision model 1-bit or ternary: a student that learns what the model predicts')
    .argument('<teacher>', 'a GGUF file, a URL, the name of a pulled model, or a folder of Transformers')
    .argument('[text...]', 'texts to learn on, as for train')
    .requiredOption('-o, --output <file>', 'the GGUF file to write')
    .addOption(new Option('--weights <kind>', 'what weights become').choices(['binary', 'ternary']).default('binary'))
    .option(
      '--self-generated <n>',
      'learn also on so many texts that the teacher writes, before the clock of --minutes begins',
      wholeNumber(1, 1e7),
    )
    .option('--text-tokens <n>', 'most tokens of each of those', wholeNumber(8, 1 << 16), CONTEXT)
    .option('--width <n>', "length of the student's residual vector", wholeNumber(8, 1 << 16))
    .option('--ffn <n>', "width of the student's feed-forward part", wholeNumber(8, 1 << 18))
    .option('--context <n>', `longest sequence in tokens (default: ${CONTEXT})`, wholeNumber(8, 1 << 17))
    .option(
      '--teacher-share <x>',
      `share of the loss that follows the teacher (default: ${TEACHER_SHARE}); the rest follows the texts`,
      numberBetween(0, 1),
    );
  addRecipeOptions(command);
  addDataOptions(command);
  addRunOptions(command);
  return command
    .addHelpText('after', HELP)
    .action(async (teacher: string, texts: string[], flags: DistilFlags, self: Command) => {
      if (texts.length === 0 && flags.selfGenerated === undefined)
        self.error('error: give texts to learn on, or --self-generated', { exitCode: 2 });
      const files = await corpusFiles(texts);
      const valid = await corpusFiles(flags.valid ?? []);
      const inputs = [...texts, ...files, ...(flags.valid ?? []), ...valid, ...(await modelInputs(teacher))];
      const outputs = await Outputs.claim(outputsOf(flags), inputs);
      try {
        const withVersion = { ...flags, codeVersion: self.parent?.version() };
        await distil(teacher, { texts, files, valid }, withVersion, outputs, { signal, endsInOrder });
      } finally {
        await outputs.release();
      }
    });
}

interface Texts {
  readonly texts: string[];
  readonly files: string[];
  readonly valid: string[];
}

async function distil(
  name: string,
  { texts, files, valid }: Texts,
  flags: DistilFlags,
  outputs: Outputs,
  { signal, endsInOrder }: Pick<CommandContext, 'signal' | 'endsInOrder'>,
): Promise<void> {
  const display = new TrainDisplay();
  const source = await withModelHint(name, 'language', () => openSource(name, { signal }));
  let backend: Backend | undefined;
  try {
    const teacher = await readStartModel(source, 'float');
    const shape = studentShape(teacher.shape, flags.weights, { width: flags.width, feedForwardWidth: flags.ffn });
    const read = await readTexts({ files, valid }, flags, display, signal);
    if (flags.selfGenerated !== undefined) display.line(`The teacher writes ${flags.selfGenerated} texts.`);
    const own = flags.selfGenerated === undefined ? [] : await ownTexts(source, teacher, flags, signal);
    const documents = [...read.documents, ...own];
    const init = studentOf(teacher, shape);
    const rounded = { name: 'rounded', bytes: await naiveModel(init) };
    const heldOut = read.validation ?? splitCorpus(documents, flags.seed ?? 1).validation;
    const judged = new Judging(source, teacher, heldOut, flags.threads, signal);
    const before = await judged.compare([rounded]);
    if (before) display.line(tableText(before.table));
    const context = Math.min(flags.context ?? CONTEXT, shape.contextLength);
    backend = await newBackend(flags.threads);
    const options: TrainOptions = {
      documents,
      validation: read.validation,
      ...runOptionsOf(flags, outputs, signal),
      shape: { contextLength: context },
      recipe: { ...DISTIL_RECIPE, ...recipeOf(flags) },
      minutes: flags.minutes ?? (flags.steps === undefined ? DEFAULT_MINUTES : undefined),
      batchTokens: flags.batch ?? BATCH_TOKENS,
      chatShare: flags.chatShare ?? 0,
      init,
      teacher: await Teacher.open(source, backend, context),
      teacherSha256: await modelDigest(source, signal),
      teacherShare: flags.teacherShare ?? TEACHER_SHARE,
    };
    const judge = async ({ model, complete }: { model: Uint8Array; complete: boolean }) =>
      complete ? judged.compare([rounded, { name: 'distilled', bytes: model }]) : undefined;
    const corpora = flags.selfGenerated === undefined ? texts : [...texts, `${own.length} texts of the teacher's own`];
    await follow(options, flags, corpora, outputs, display, endsInOrder, judge);
  } finally {
    display.clear();
    await backend?.dispose();
    await source.close();
  }
}

async function newBackend(threads: number | undefined): Promise<Backend> {
  const { wasmBackend } = await import('../kernels/wasm/wasm-backend.ts');
  return wasmBackend({ threads });
}

/** Texts that the teacher writes; the same again when a run goes on. */
async function ownTexts(
  source: ByteSource,
  { shape, tokenizer }: StartModel,
  { selfGenerated: count = 0, textTokens, seed = 1, threads }: DistilFlags,
  signal: AbortSignal,
): Promise<TrainingDocument[]> {
  const backend = await newBackend(threads);
  const line = progressLine();
  try {
    const tokens = Math.min(textTokens, shape.contextLength - 1);
    // A page more for each, since texts do not share pages.
    const { engine } = await openEngine(source, backend, { format: 'f16', tokens: LANES * (tokens + 64) });
    const onProgress = (done: number, total: number) => line.update('texts of the teacher', done, total);
    const texts = await selfGenerated(engine, tokenizerOf(tokenizer), LANES, {
      count,
      tokens,
      seed,
      signal,
      onProgress,
    });
    return texts.map((text) => ({ text }));
  } finally {
    line.clear();
    await backend.dispose();
  }
}

/** Comparing models with the teacher on the held-out documents. */
class Judging {
  readonly #source: ByteSource;
  readonly #teacher: StartModel;
  readonly #documents: readonly TrainingDocument[];
  readonly #threads: number | undefined;
  readonly #signal: AbortSignal;

  constructor(
    source: ByteSource,
    teacher: StartModel,
    documents: readonly TrainingDocument[],
    threads: number | undefined,
    signal: AbortSignal,
  ) {
    this.#source = source;
    this.#teacher = teacher;
    this.#documents = documents;
    this.#threads = threads;
    this.#signal = signal;
  }

  /** Undefined where nothing is held out. */
  async compare(
    models: readonly { readonly name: string; readonly bytes: Uint8Array }[],
  ): Promise<Verdict | undefined> {
    const { tokenizer, shape, name } = this.#teacher;
    const encoder = new DocumentEncoder(tokenizerOf(tokenizer));
    const encoded = this.#documents.map((document) => encoder.measured(document)).filter(({ bytes }) => bytes > 0);
    const documents = leading(encoded, COMPARED_BYTES);
    if (documents.length === 0) return undefined;
    const sources = [this.#source, ...models.map(({ bytes }) => memorySource(bytes))];
    const backend = await newBackend(this.#threads);
    try {
      const engines = [];
      for (const source of sources) {
        engines.push((await openEngine(source, backend, { format: 'f32', tokens: shape.contextLength })).engine);
      }
      const context = Math.min(CONTEXT, shape.contextLength);
      const found = await compareModels(engines, documents, context, this.#signal);
      const rows = [];
      for (const [i, comparison] of found.entries()) {
        const tokensPerSecond = await decodeSpeed(engines[i], documents[0].tokens.subarray(0, 8), this.#signal);
        rows.push({
          model: ['teacher', ...models.map(({ name }) => name)][i],
          bytes: sources[i].size,
          ...comparison,
          tokensPerSecond,
        });
      }
      const bytes = documents.reduce((sum, document) => sum + document.bytes, 0);
      return {
        json: { comparison: { teacher: name, heldOutBytes: bytes, models: rows } },
        table: {
          title: `Beside the teacher, on ${bytes} held-out bytes`,
          columns: ['', 'bits/byte', 'KL nats/token', 'same likeliest', 'size', 'tokens/s'],
          rows: rows.map((row) => [
            row.model,
            row.bitsPerByte.toFixed(4),
            row.divergence.toFixed(4),
            `${(100 * row.agreement).toFixed(1)} %`,
            formatBytes(row.bytes),
            row.tokensPerSecond.toFixed(0),
          ]),
        },
      };
    } finally {
      await backend.dispose();
    }
  }
}
