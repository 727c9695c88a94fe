// Owns measuring how fast a model runs here, as a user would feel it: prefill and decode apart. Must not know who shows it.
import { resolveOptions } from '../generate/options.ts';
import type { Session } from '../generate/session.ts';

export interface SpeedRequest {
  /** Tokens of the prompt whose prefill is measured. */
  readonly promptTokens: number;
  /** Tokens whose decode is measured. */
  readonly genTokens: number;
  /** Tokens in the cache before decode is measured. Default: the prompt. */
  readonly contextTokens?: number;
  /** Measured runs after one that warms up. */
  readonly runs: number;
}

export interface SpeedReport {
  /** Tokens a second. */
  readonly prefill: Spread;
  readonly decode: Spread;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly best: number;
}

/** Measures in sessions that `newSession` makes. */
export async function measureSpeed(
  newSession: () => Session,
  vocabulary: number,
  request: SpeedRequest,
  signal?: AbortSignal,
): Promise<SpeedReport> {
  const { promptTokens, genTokens, contextTokens = promptTokens, runs } = request;
  const prefill: number[] = [];
  const decode: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const session = newSession();
    try {
      const first = await time(session, vocabulary, promptTokens, genTokens, signal);
      const second =
        contextTokens === promptTokens ? first : await time(session, vocabulary, contextTokens, genTokens, signal);
      if (run === 0) continue;
      prefill.push((promptTokens / first.prefillMs) * 1000);
      decode.push((genTokens / second.decodeMs) * 1000);
    } finally {
      session.dispose();
    }
  }
  return { prefill: spread(prefill), decode: spread(decode) };
}

/** Evaluates `context` tokens, then decodes `genTokens` greedily. */
async function time(
  session: Session,
  vocabulary: number,
  context: number,
  genTokens: number,
  signal?: AbortSignal,
): Promise<{ prefillMs: number; decodeMs: number }> {
  // One token more than the context: the last one is fed by the first decode step.
  const prompt = Array.from({ length: context + 1 }, (_, i) => (i * 7919 + 13) % vocabulary);
  const began = performance.now();
  let prefilled = began;
  const onPrefill = () => {
    prefilled = performance.now();
  };
  let produced = 0;
  for await (const _ of session.generate(prompt, resolveOptions({ temperature: 0, signal }), onPrefill)) {
    if (++produced === genTokens) break;
  }
  return { prefillMs: prefilled - began, decodeMs: performance.now() - prefilled };
}

function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], best: sorted[sorted.length - 1] };
}
