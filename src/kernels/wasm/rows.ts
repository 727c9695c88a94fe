// Owns what the host writes for each step: tokens, positions, page tables, blocks of rows for attention, cosines and sines.
// Must not know operations. Data that recorded commands still need is never overwritten: it gets new memory instead.
import { OnebitError } from '../../errors.ts';
import { KV_PAGE, type RopeSpec, type Rows } from '../backend.ts';
import { writeRotations } from '../rotations.ts';
import type { Heap } from './heap.ts';
import { type Program, Region } from './program.ts';

/** Words before the arrays of a rows block: unused, then the addresses of tokens, positions, page tables, blocks; then the number of blocks. */
const HEAD_WORDS = 6;
/** Query vectors that one block of attention handles together, about. */
export const BLOCK_QUERIES = 32;

/** Host-written memory that is replaced when it is too small or still in use. */
export class HostRegion {
  readonly #heap: Heap;
  readonly #program: Program;
  #region: Region | undefined;

  constructor(heap: Heap, program: Program) {
    this.#heap = heap;
    this.#program = program;
  }

  /** A region of at least `bytes` bytes that no recorded command uses. */
  fresh(bytes: number): Region {
    const old = this.#region;
    if (old && old.byteLength >= bytes && this.#program.isFree(old)) return old;
    return this.#replace(bytes);
  }

  /** A region of at least `bytes` bytes whose contents no command hands to another. */
  fits(bytes: number): Region {
    const old = this.#region;
    return old && old.byteLength >= bytes ? old : this.#replace(bytes);
  }

  #replace(bytes: number): Region {
    const old = this.#region;
    const capacity = 1 << Math.max(10, 32 - Math.clz32(bytes - 1));
    this.#region = new Region(this.#heap.allocate(capacity, 'rows'), capacity);
    if (old) this.#program.retire(old.address);
    return this.#region;
  }
}

/** The rows announced last, in memory. */
export class RowsBlock {
  readonly #heap: Heap;
  readonly #host: HostRegion;
  readonly #program: Program;
  readonly #tables = new Map<RopeSpec, RopeTable>();
  #rows: Rows | undefined;
  #region: Region | undefined;
  #positions = new Int32Array(0);
  /** Rows of one sequence in a block at most. */
  #blockRows = 1;
  /** Counts announcements. */
  #version = 0;
  blocks = 0;
  /** Sum over the rows of the tokens that each attends to. */
  attendedTokens = 0;

  constructor(heap: Heap, program: Program) {
    this.#heap = heap;
    this.#program = program;
    this.#host = new HostRegion(heap, program);
  }

  get count(): number {
    return this.#current().count;
  }

  /** The memory of the announced rows: see HEAD_WORDS. */
  get region(): Region {
    this.#current();
    return this.#region as Region;
  }

  /** Copies `rows` into memory. */
  set(rows: Rows): void {
    this.#rows = rows;
    this.#version++;
    this.#positions = rows.positions.slice(0, rows.count);
    this.attendedTokens = rows.count;
    for (const position of this.#positions) this.attendedTokens += position;
    this.#write(rows);
  }

  /** Makes blocks of rows fit `group` query heads a key/value head. Returns the most rows of a block. */
  groupFor(group: number): number {
    const blockRows = Math.max(1, Math.floor(BLOCK_QUERIES / group));
    if (blockRows !== this.#blockRows) {
      this.#blockRows = blockRows;
      this.#write(this.#current());
    }
    return blockRows;
  }

  /** Cosines and sines [count][cos: dims/2, sin: dims/2] of the announced positions. */
  ropeTable(rope: RopeSpec): Region {
    let table = this.#tables.get(rope);
    if (!table) {
      table = new RopeTable(rope, new HostRegion(this.#heap, this.#program));
      this.#tables.set(rope, table);
    }
    return table.at(this.#positions, this.#version, this.#heap);
  }

  #current(): Rows {
    if (!this.#rows) {
      throw new OnebitError(
        'bad-argument',
        'wasm backend: setRows must come before operations on rows. Call it first.',
      );
    }
    return this.#rows;
  }

  #write(rows: Rows): void {
    const { count, sequence, pageTables } = rows;
    const positions = this.#positions;
    const used = new Int32Array(pageTables.length);
    for (let r = 0; r < count; r++) {
      const pages = Math.floor(positions[r] / KV_PAGE) + 1;
      if (pages > used[sequence[r]]) used[sequence[r]] = Math.min(pages, pageTables[sequence[r]].length);
    }
    let words = HEAD_WORDS + 5 * count;
    for (const pages of used) words += pages;
    const region = this.#host.fresh(words * 4);
    this.#region = region;
    const memory = this.#heap.words;
    const at = region.address >>> 2;
    const tokensAt = at + HEAD_WORDS;
    const positionsAt = tokensAt + count;
    const tablesAt = positionsAt + count;
    const blocksAt = tablesAt + count;
    memory[at + 1] = tokensAt * 4;
    memory[at + 2] = positionsAt * 4;
    memory[at + 3] = tablesAt * 4;
    memory[at + 4] = blocksAt * 4;
    let free = blocksAt + 2 * count;
    const starts = new Int32Array(pageTables.length);
    for (let s = 0; s < pageTables.length; s++) {
      starts[s] = free * 4;
      for (let i = 0; i < used[s]; i++) memory[free + i] = pageTables[s][i];
      free += used[s];
    }
    let blocks = 0;
    let last = -1;
    for (let r = 0; r < count; r++) {
      memory[tokensAt + r] = rows.tokens[r];
      memory[positionsAt + r] = positions[r];
      memory[tablesAt + r] = starts[sequence[r]];
      if (last >= 0 && sequence[r] === sequence[r - 1] && memory[last + 1] < this.#blockRows) memory[last + 1]++;
      else {
        last = blocksAt + 2 * blocks++;
        memory[last] = r;
        memory[last + 1] = 1;
      }
    }
    memory[at + 5] = blocks;
    this.blocks = blocks;
  }
}

/** Cosines and sines of one specification, computed once for each announcement of rows. */
class RopeTable {
  readonly #rope: RopeSpec;
  readonly #host: HostRegion;
  #region: Region | undefined;
  #version = -1;

  constructor(rope: RopeSpec, host: HostRegion) {
    this.#rope = rope;
    this.#host = host;
  }

  at(positions: Int32Array, version: number, heap: Heap): Region {
    if (this.#region && this.#version === version) return this.#region;
    const region = this.#host.fresh(positions.length * this.#rope.dims * 4);
    writeRotations(heap.floats, region.address >>> 2, positions, this.#rope, this.#rope.magnitude);
    this.#region = region;
    this.#version = version;
    return region;
  }
}
