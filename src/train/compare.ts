// Owns how far models with the same tokens are from a teacher on texts: bits per byte, divergence, agreement. Must not know how they were made.
import { compareLogits } from '../evaluate/compare.ts';
import { logSumExp } from '../kernels/ranking.ts';
import type { Engine } from '../model/engine.ts';
import { measuringBatches } from './batches.ts';
import { continueSequence } from './engine-run.ts';
import type { MeasuredDocument } from './held-out.ts';
import type { Batch } from './trainer-types.ts';

/** What is known of one model on the texts. */
export interface Comparison {
  readonly bitsPerByte: number;
  /** Mean over the tokens of KL(teacher ‖ model), in nats; 0 for the teacher. */
  readonly divergence: number;
  /** Share of the tokens where the model finds likeliest what the teacher does. */
  readonly agreement: number;
}

interface Sums {
  nats: number;
  divergence: number;
  agreed: number;
}

/**
 * Compares models with the first of `engines`, the teacher, on documents in windows of `context` tokens; no more logits exist than those of a step.
 * @returns one for each engine, the teacher's first
 */
export async function compareModels(
  engines: readonly Engine[],
  documents: readonly MeasuredDocument[],
  context: number,
  signal?: AbortSignal,
): Promise<Comparison[]> {
  const sums: Sums[] = engines.map(() => ({ nats: 0, divergence: 0, agreed: 0 }));
  let tokens = 0;
  for (const batch of measuringBatches(documents, context, 0, 1)) tokens += await window(engines, batch, sums, signal);
  const bytes = documents.reduce((sum, document) => sum + document.bytes, 0);
  return sums.map(({ nats, divergence, agreed }) => ({
    bitsPerByte: nats / Math.LN2 / bytes,
    divergence: divergence / tokens,
    agreement: agreed / tokens,
  }));
}

/** Adds what each model says of one window, step by step together. @returns tokens that counted */
async function window(
  engines: readonly Engine[],
  { tokens, targets, weights }: Batch,
  sums: readonly Sums[],
  signal?: AbortSignal,
): Promise<number> {
  const rows = Math.min(...engines.map(({ maxOutputs }) => maxOutputs));
  const used = 1 + weights!.findLastIndex((weight) => weight > 0);
  const sequences = engines.map((engine) => engine.newSequence());
  let counted = 0;
  try {
    for (let at = 0; at < used; at += rows) {
      const part = tokens.subarray(at, Math.min(used, at + rows));
      const all: Float32Array[] = [];
      for (const [i, engine] of engines.entries()) {
        const length = part.length * engine.config.vocabulary;
        const read = (logits: Parameters<Engine['backend']['read']>[0]) =>
          engine.backend.read(logits, 0, length, signal);
        const outputs = Array.from(part.keys());
        all.push(await engine.step([{ sequence: sequences[i], tokens: part, outputs }], read, signal));
      }
      for (let row = 0; row < part.length; row++) {
        const weight = weights![at + row];
        if (weight === 0) continue;
        counted += weight;
        const logits = all.map((values) => {
          const size = values.length / part.length;
          return values.subarray(row * size, (row + 1) * size);
        });
        addRow(logits, targets[at + row], weight, sums);
      }
    }
  } finally {
    for (const sequence of sequences) sequence.dispose();
  }
  return counted;
}

function addRow(logits: readonly Float32Array[], target: number, weight: number, sums: readonly Sums[]): void {
  const [teacher] = logits;
  const teacherSum = logSumExp(teacher);
  for (const [i, row] of logits.entries()) {
    const sum = i === 0 ? teacherSum : logSumExp(row);
    sums[i].nats += weight * (sum - row[target]);
    const { divergence, sameTop } =
      i === 0 ? { divergence: 0, sameTop: true } : compareLogits(teacher, teacherSum, row, sum);
    sums[i].divergence += weight * divergence;
    if (sameTop) sums[i].agreed += weight;
  }
}

const TIMED_TOKENS = 48;

/** Tokens a second that the model writes, the best of three runs. */
export async function decodeSpeed(engine: Engine, begin: Int32Array, signal?: AbortSignal): Promise<number> {
  let fastest = 0;
  for (let run = 0; run < 3; run++) {
    const startedAt = performance.now();
    const written = await continueSequence(engine, begin, { most: TIMED_TOKENS, ends: new Set() }, signal);
    fastest = Math.max(fastest, (1000 * written.length) / (performance.now() - startedAt));
  }
  return fastest;
}
