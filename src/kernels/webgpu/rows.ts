// Owns what the host writes for each step: tokens, positions, page tables, cosines and sines. Must not know operations.
// It goes up with the submission that needs it; when the rest of a step falls into another submission, it is written again.
import { OnebitError } from '../../errors.ts';
import { KV_PAGE, type RopeSpec, type Rows } from '../backend.ts';
import { writeRotations } from '../rotations.ts';
import type { Recorder } from './recorder.ts';

interface Place {
  epoch: number;
  at: number;
}

/** The rows announced last. In words: tokens [count], positions [count], where each row's page table begins [count], page tables. */
export class RowsData {
  readonly #recorder: Recorder;
  #rows: Rows | undefined;
  #place: Place = { epoch: -1, at: 0 };
  readonly #tables = new Map<RopeSpec, Place>();

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** Keeps a copy of `rows`. */
  set(rows: Rows): void {
    const { count } = rows;
    this.#rows = {
      count,
      tokens: rows.tokens.slice(0, count),
      positions: rows.positions.slice(0, count),
      sequence: rows.sequence.slice(0, count),
      pageTables: rows.pageTables.map((table) => table.slice()),
    };
    this.#place.epoch = -1;
    this.#tables.clear();
  }

  get current(): Rows {
    if (!this.#rows) {
      throw new OnebitError(
        'bad-argument',
        'webgpu backend: setRows must come before operations on rows. Call it first.',
      );
    }
    return this.#rows;
  }

  /** Word of the host data at which the rows begin. Good for the next dispatch. */
  wordsAt(): number {
    const { count, tokens, positions, sequence, pageTables } = this.current;
    if (this.#place.epoch === this.#recorder.epoch) return this.#place.at;
    const used = new Int32Array(pageTables.length);
    for (let r = 0; r < count; r++) {
      const pages = Math.floor(positions[r] / KV_PAGE) + 1;
      used[sequence[r]] = Math.min(Math.max(used[sequence[r]], pages), pageTables[sequence[r]].length);
    }
    const at = this.#recorder.hostWords(3 * count + used.reduce((sum, pages) => sum + pages, 0));
    const { words } = this.#recorder;
    words.set(tokens, at);
    words.set(positions, at + count);
    let free = at + 3 * count;
    const starts = Array.from(used, (pages, s) => {
      words.set(pageTables[s].subarray(0, pages), free);
      free += pages;
      return free - pages;
    });
    for (let r = 0; r < count; r++) words[at + 2 * count + r] = starts[sequence[r]];
    this.#place = { epoch: this.#recorder.epoch, at };
    return at;
  }

  /** Word of the host data at which the cosines and sines [count][cos: dims/2, sin: dims/2] of the rows' positions begin. */
  rotationsAt(rope: RopeSpec): number {
    const known = this.#tables.get(rope);
    if (known?.epoch === this.#recorder.epoch) return known.at;
    const { positions } = this.current;
    const at = this.#recorder.hostWords(positions.length * rope.dims);
    writeRotations(this.#recorder.floats, at, positions, rope, rope.magnitude);
    this.#tables.set(rope, { epoch: this.#recorder.epoch, at });
    return at;
  }
}
