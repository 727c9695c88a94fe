// Owns a run as files for another program to train: what each update reads, the weights it starts from, the recipe, the tokenizer. interop/pytorch reads them.
// Must not know where files lie.
import { OnebitError } from '../errors.ts';
import { familyOf, writeConfig } from '../hf/config.ts';
import { type SafeTensorToWrite, writeSafetensors } from '../hf/safetensors.ts';
import { renamed } from '../hf/tensors.ts';
import type { WriteFile } from '../hf/write.ts';
import { writeTokenizer } from '../hf/write-tokenizer.ts';
import { readMetadata } from '../tokenizer/train-metadata.ts';
import { shapeMetadata } from './export.ts';
import { learningRateFactor, quantizesAt } from './recipe.ts';
import { prepareRun } from './run.ts';
import { isVector, shapeArchitecture, shapeTensors } from './shape.ts';
import type { TrainOptions } from './train-options.ts';
import type { Batch } from './trainer-types.ts';

/** What was written. */
export interface ExportedRunFiles {
  readonly files: readonly string[];
  readonly updates: number;
  /** Positions of all updates, padding included. */
  readonly positions: number;
}

/**
 * Writes the run that these options would make, bounded by `recipe.steps`: `tokens.safetensors` (for update u and pass p `u.p.ids` [sequences, length + 1] and
 * `u.p.weights` [sequences, length], how much predicting the next token counts), `start.safetensors` (the weights before rounding), `recipe.json`, and
 * config.json and the tokenizer as Transformers reads them.
 * @throws OnebitError as `train`
 */
export async function exportRun(options: TrainOptions, write: WriteFile): Promise<ExportedRunFiles> {
  const run = await prepareRun(options);
  try {
    const { recipe, shape, plan, tokenizerMetadata } = run;
    const { name: architecture } = shapeArchitecture(shape);
    if (architecture !== 'qwen3') {
      throw new OnebitError(
        'unsupported',
        `train: interop/pytorch trains models of the architecture qwen3, got ${architecture}. Train it here, without --export-tokens.`,
      );
    }
    const batches: Batch[][] = [];
    for (let step = 0; step < recipe.steps; step++) {
      options.signal?.throwIfAborted();
      batches.push(plan.at(step));
    }
    const files: string[] = [];
    const keep = async (name: string, tensors: readonly SafeTensorToWrite[]) => {
      files.push(name);
      await write(name, (append) => writeSafetensors(tensors, append));
    };
    await keep(
      'tokens.safetensors',
      batches.flatMap((passes, step) => passes.flatMap((batch, pass) => batchTensors(`${step}.${pass}`, batch))),
    );
    const { arrays } = await run.trainer.save();
    const start = shapeTensors(shape).map((tensor) => {
      const { name, rows, cols } = tensor;
      return floats(
        `${renamed(name.replace(/\.weight$/, ''), 'hf')}.weight`,
        isVector(tensor) ? [cols] : [rows, cols],
        arrays.get(name)!,
      );
    });
    await keep('start.safetensors', start);
    const steps = Array.from({ length: recipe.steps }, (_, step) => ({
      rate: learningRateFactor(recipe, step),
      quantized: shape.weights !== 'float' && quantizesAt(recipe, step / recipe.steps),
    }));
    const metadata = readMetadata(shapeMetadata(shape));
    const value = (key: string) => metadata.get(`${architecture}.${key}`);
    const config = writeConfig(familyOf(architecture), { ...shape, architecture, value });
    const { tokenizer, tokenizerConfig, template } = writeTokenizer(readMetadata(tokenizerMetadata));
    const texts: [string, string | undefined][] = [
      ['recipe.json', JSON.stringify({ ...recipe, weights: shape.weights, steps: undefined, updates: steps })],
      ['config.json', JSON.stringify(config, null, 2)],
      ['tokenizer.json', JSON.stringify(tokenizer)],
      ['tokenizer_config.json', JSON.stringify(tokenizerConfig, null, 2)],
      ['chat_template.jinja', template],
    ];
    for (const [name, text] of texts) {
      if (text === undefined) continue;
      files.push(name);
      await write(name, (append) => append(new TextEncoder().encode(text)));
    }
    const positions = batches.flat().reduce((sum, { tokens }) => sum + tokens.length, 0);
    return { files, updates: recipe.steps, positions };
  } finally {
    await run.trainer.dispose();
  }
}

function batchTensors(name: string, { sequences, length, tokens, targets, weights }: Batch): SafeTensorToWrite[] {
  const ids = new Int32Array(sequences * (length + 1));
  for (let s = 0; s < sequences; s++) {
    ids.set(tokens.subarray(s * length, (s + 1) * length), s * (length + 1));
    ids.set(targets.subarray(s * length, (s + 1) * length), s * (length + 1) + 1);
  }
  const counts = weights ?? new Float32Array(sequences * length).fill(1);
  return [
    { name: `${name}.ids`, type: 'I32', shape: [sequences, length + 1], produce: (append) => append(bytesOf(ids)) },
    floats(`${name}.weights`, [sequences, length], counts),
  ];
}

function floats(name: string, shape: readonly number[], values: Float32Array): SafeTensorToWrite {
  return { name, type: 'F32', shape, produce: (append) => append(bytesOf(values)) };
}

function bytesOf(array: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
