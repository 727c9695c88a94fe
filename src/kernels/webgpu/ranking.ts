// Owns ranking logits on the device: its memory, its dispatches, and what is read back. The shaders are wgsl/top-k.ts.

import { log } from '../../core/elementary.ts';
import type { Sampling, TopEntry } from '../backend.ts';
import { MOST_RANKED, neededCandidates } from '../sampling.ts';
import { bits, type Memory } from './pipelines.ts';
import type { Recorder } from './recorder.ts';
import { drawKernel, selectKernel, sortKernel } from './wgsl/sampling.ts';
import { logSumKernel, RANK_CHUNK, rankKernel } from './wgsl/top-k.ts';

export class Ranking {
  readonly #recorder: Recorder;
  #memories: readonly Memory[] = [];

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** The `count` largest of `length` values from element `offset`, and the log of the sum of exponentials of all. */
  async topK(
    x: Memory,
    offset: number,
    length: number,
    count: number,
    signal?: AbortSignal,
  ): Promise<{ top: TopEntry[]; logSumExp: number }> {
    const { lists, sums } = this.#rank(x, offset, length, count);
    const chunks = Math.ceil(length / RANK_CHUNK);
    if (chunks > 1) this.#recorder.dispatch(logSumKernel, [sums], [chunks], [1], { other: 8 * (chunks + 1) });
    const segments = [
      { memory: sums, offsetBytes: 0, byteLength: 8 },
      { memory: lists, offsetBytes: 0, byteLength: 8 * count },
    ];
    const found = await this.#recorder.read(segments, signal);
    const [floats, words] = [new Float32Array(found), new Uint32Array(found)];
    const top = Array.from({ length: count }, (_, i) => ({ logit: floats[2 + 2 * i], token: words[3 + 2 * i] }));
    return { top, logSumExp: floats[0] + log(floats[1]) };
  }

  /** The token that `sampling` chooses among `length` values from element `offset`; it alone is read back. */
  async sample(x: Memory, offset: number, length: number, sampling: Sampling, signal?: AbortSignal): Promise<number> {
    const needed = neededCandidates(sampling);
    const chosen =
      needed > 0 && needed <= MOST_RANKED
        ? this.#chooseRanked(x, offset, length, Math.min(needed, length), sampling)
        : this.#chooseFromAll(x, offset, length, sampling);
    const [token] = new Uint32Array(await this.#recorder.read([{ ...chosen, byteLength: 4 }], signal));
    return token;
  }

  /** Ranks `count` candidates and chooses one; where its token will lie. */
  #chooseRanked(x: Memory, offset: number, length: number, count: number, sampling: Sampling) {
    const { lists } = this.#rank(x, offset, length, count);
    if (sampling.temperature > 0) {
      const { temperature, topP, minP, uniform } = sampling;
      const params = [count, bits(Math.max(temperature, 1e-30)), bits(topP), bits(minP), bits(uniform)];
      this.#recorder.dispatch(drawKernel, [lists], params, [1], { other: 8 * count + 4 });
    }
    return { memory: lists, offsetBytes: 4 };
  }

  /** Sorts chunks of all candidates and finds the one that the draw falls on; where its token will lie. */
  #chooseFromAll(x: Memory, offset: number, length: number, sampling: Sampling) {
    const { temperature, topK, topP, minP, uniform } = sampling;
    const chunks = Math.ceil(length / RANK_CHUNK);
    const [sorted, masses, chosen] = this.#memoriesFor([8 * length, 8 * length, 8 * chunks]);
    const moved = { other: 20 * length };
    const inverse = bits(Math.min(1 / temperature, 1e30));
    this.#recorder.dispatch(sortKernel, [sorted, masses, x], [length, inverse, offset], [chunks], moved);
    // A search takes about ten steps per chunk for each bit of a float, for at most three borders.
    const params = [length, inverse, topK, bits(topP), bits(minP), bits(uniform)];
    this.#recorder.dispatch(selectKernel, [chosen, sorted, masses], params, [1], { other: 16 * length });
    return { memory: chosen, offsetBytes: 0 };
  }

  /** Dispatches the ranking; the best lie in `lists`, each chunk's maximum and sum of exponentials in `sums`. */
  #rank(x: Memory, offset: number, length: number, count: number): { lists: Memory; sums: Memory } {
    const recorder = this.#recorder;
    const chunks = Math.ceil(length / RANK_CHUNK);
    let [lists, other, sums] = this.#memoriesFor([8 * chunks * count, 8 * chunks * count, 8 * chunks]);
    let kept = keptOf(length, count);
    const moved = { other: 4 * length + 8 * (kept + chunks), again: 4 * length };
    recorder.dispatch(rankKernel('logits', count), [lists, x, sums], [length, count, offset], [chunks], moved);
    for (let left = length; left > RANK_CHUNK; ) {
      left = kept;
      kept = keptOf(left, count);
      const groups = [Math.ceil(left / RANK_CHUNK)] as const;
      const again = { other: 8 * (left + kept) };
      recorder.dispatch(rankKernel('lists', count), [other, lists], [left, count, 0], groups, again);
      [lists, other] = [other, lists];
    }
    return { lists, sums };
  }

  /** Memories of at least these sizes; they hold nothing from one ranking to the next. */
  #memoriesFor(sizes: readonly number[]): readonly Memory[] {
    const fits = this.#memories.length === sizes.length && this.#memories.every((m, i) => m.byteLength >= sizes[i]);
    if (!fits) {
      for (const memory of this.#memories) this.#recorder.release(memory);
      this.#memories = sizes.map((bytes) => this.#recorder.allocate(bytes, 'candidates'));
    }
    return this.#memories;
  }
}

/** Candidates that one pass over `length` values keeps. */
function keptOf(length: number, k: number): number {
  const last = length % RANK_CHUNK || RANK_CHUNK;
  return (Math.ceil(length / RANK_CHUNK) - 1) * k + Math.min(k, last);
}
