// Owns weights in memory: where the layout of each format lives, loading them piece by piece, and the commands of products with them.
import { OnebitError } from '../../errors.ts';
import type { KernelFormatName } from '../../quant/format.ts';
import type { Format } from '../../quant/formats.ts';
import type { ReadWeight, Weight } from '../backend.ts';
import {
  OCTET_BLOCK,
  OCTET_SCRATCH,
  OP_EMBED,
  OP_PREPARE,
  OP_PREPARE_MANY,
  OP_PRODUCT,
  OP_PRODUCT_MANY,
  OP_PRODUCT_MANY_Q2,
  OP_REPACK,
  OP_WIDEN,
  PANEL_TILES,
  PREPARED_Q8,
  PREPARED_TABLES,
  REPACK_BAD,
  REPACK_GENERAL,
  REPACK_SCRATCH,
  WEIGHT_BF16,
  WEIGHT_F16,
  WEIGHT_F32,
  WEIGHT_Q1,
  WEIGHT_Q2,
  WEIGHT_Q8,
} from './assembly/opcodes.ts';
import type { Heap } from './heap.ts';
import { type Program, Region } from './program.ts';
import { HostRegion } from './rows.ts';

/** Rows of a tile of 1- and 2-bit weights. */
const TILE_ROWS = 32;
/** Rows of a pair of tiles, which products take together (assembly/tile-order.ts). */
const PAIR_ROWS = 64;
/** Bytes read and repacked at a time; there are two such buffers. */
const PIECE_BYTES = 4 << 20;
/** Bytes of a lane of a slab, unless one matrix needs more. */
const LANE_BYTES = 16 << 20;
/** Least pairs of tiles of a lane: padding the last lane to them should not count. */
const LANE_PAIRS = 8;
/** Most bytes of prepared activations; more rows are multiplied in several goes. */
const PREPARED_BYTES = 64 << 20;

/** How a format is held: its kind, inputs per scale, rows that a product takes together, and its time relative to float32 (measured in cache, one thread). */
interface Layout {
  readonly kind: number;
  readonly span: number;
  readonly itemRows: number;
  readonly productCost: number;
}

const layouts: Record<KernelFormatName, Layout> = {
  f32: { kind: WEIGHT_F32, span: 1, itemRows: 8, productCost: 1 },
  f16: { kind: WEIGHT_F16, span: 1, itemRows: 8, productCost: 1.3 },
  bf16: { kind: WEIGHT_BF16, span: 1, itemRows: 8, productCost: 1.3 },
  q8_0: { kind: WEIGHT_Q8, span: 32, itemRows: 8, productCost: 0.6 },
  q1_0: { kind: WEIGHT_Q1, span: 128, itemRows: PAIR_ROWS, productCost: 0.125 },
  q2_0: { kind: WEIGHT_Q2, span: 64, itemRows: PAIR_ROWS, productCost: 0.25 },
  'q2_0-128': { kind: WEIGHT_Q2, span: 128, itemRows: PAIR_ROWS, productCost: 0.25 },
};

/** Time of a product with many tokens relative to float32, in full. */
const MANY_COST = 0.08;
/** Least rows that one octet more is for: fewer take less time two by two. */
const OCTET_ROWS = 6;
/** Least tiles of a panel: below, making its tables takes longer than using them. */
const LOW_PANEL = 32;

/** Forms of prepared activations. */
const TABLES = 0;
const INT8 = 1;
const OCTETS = 2;
type PreparedForm = typeof TABLES | typeof INT8 | typeof OCTETS;

/** Memory of prepared activations, and what they were made from: they serve all products with the same input. */
interface Prepared {
  readonly host: HostRegion;
  made: { form: PreparedForm; x: Region; written: number; region: Region; first: number; rows: number } | undefined;
}

/** How many of `rows` rows, from the first, are multiplied in octets. */
function rowsTogether(rows: number): number {
  return rows % 8 >= OCTET_ROWS ? rows : rows - (rows % 8);
}

/** Memory for one lane after the other, in which matrices lie side by side: each takes the same place in all lanes. */
interface Slab {
  readonly address: number;
  readonly laneBytes: number;
  used: number;
  readonly matrices: Set<WasmWeight>;
}

/** A loaded matrix. */
export class WasmWeight extends Region implements Weight {
  readonly rows: number;
  readonly cols: number;
  readonly format: KernelFormatName;
  readonly sizeBytes: number;
  readonly layout: Layout;
  /** Whether 2-bit codes include 3 (assembly/repack-q2.ts). */
  general = false;
  /** Where a matrix in lanes is, how many pairs of tiles a lane has, and bytes from one lane to the next; in one piece: all pairs, 0. */
  slab: Slab | undefined;
  lanePairs: number;
  gap = 0;
  /** The factor on all of its weights. */
  gain = 1;

  constructor(
    address: number,
    format: KernelFormatName,
    layout: Layout,
    rows: number,
    cols: number,
    sizeBytes: number,
  ) {
    super(address, sizeBytes);
    this.rows = rows;
    this.cols = cols;
    this.format = format;
    this.layout = layout;
    this.sizeBytes = sizeBytes;
    this.lanePairs = Math.ceil(rows / PAIR_ROWS);
  }

  /** Whether products with many tokens have a kernel of their own: 1-bit weights, and 2-bit ones of 128 a scale without code 3. */
  get takesMany(): boolean {
    const { kind, span } = this.layout;
    return kind === WEIGHT_Q1 || (kind === WEIGHT_Q2 && span === 128 && !this.general);
  }

  /** What products must be multiplied by that kernels leave: those of 2-bit weights have the gain in them. */
  get gainLeft(): number {
    return this.layout.kind === WEIGHT_Q2 ? 1 : this.gain;
  }

  /** Words 9 to 12 of the command at `c`: how the weight is held. */
  describe({ words, floats }: Pick<Program, 'words' | 'floats'>, c: number): void {
    words[c + 9] = this.gap;
    words[c + 10] = this.layout.kind | (this.layout.span << 9) | (this.general ? 256 : 0);
    floats[c + 11] = this.gain;
    words[c + 12] = this.lanePairs;
  }
}

type LoadArguments = [
  ...[format: Format, rows: number, cols: number, read: ReadWeight],
  ...[signal?: AbortSignal, gain?: number],
];

export class Weights {
  readonly #heap: Heap;
  readonly #program: Program;
  readonly #threads: number;
  readonly #prepared: Prepared;
  readonly #octets: Prepared;
  readonly #octetScratch: HostRegion;
  /** The slab that has room. */
  #slab: Slab | undefined;
  /** Two pieces, the threads' scratch and the report, made with the first weight. */
  #staging: Region | undefined;
  /** Loads one after the other: they share the staging buffers. */
  #loading: Promise<unknown> = Promise.resolve();

  constructor(heap: Heap, program: Program, threads: number) {
    this.#heap = heap;
    this.#program = program;
    this.#threads = threads;
    this.#prepared = { host: new HostRegion(heap, program), made: undefined };
    this.#octets = { host: new HostRegion(heap, program), made: undefined };
    this.#octetScratch = new HostRegion(heap, program);
  }

  /** Loads a matrix. Throws `bad-file` naming the row and block of a scale that is not finite, and `out-of-memory`. */
  load(...how: LoadArguments): Promise<WasmWeight> {
    const loaded = this.#loading.then(() => this.#load(...how));
    this.#loading = loaded.catch(() => {});
    return loaded;
  }

  /** out[r] = table[tokens[r]]; the tokens' address is word 1 of the rows block. */
  embed(out: Region, table: WasmWeight, rows: Region, count: number): void {
    const program = this.#program;
    const c = program.add(OP_EMBED, count, 2 * count * table.cols);
    program.writes(out);
    program.reads(rows);
    const { words } = program;
    const tokens = this.#heap.words[(rows.address >>> 2) + 1];
    words.set([out.address, table.address, table.cols, tokens, table.rows], c + 1);
    table.describe(program, c);
  }

  /** out[r, o] (+)= Σᵢ x[r, i] · weight[o, i]. */
  matmul(out: Region, x: Region, weight: WasmWeight, rows: number, accumulate: boolean): void {
    const { kind } = weight.layout;
    if (kind <= WEIGHT_BF16) {
      this.#products(out, 0, x, x.address, weight, rows, accumulate);
      return;
    }
    const { cols } = weight;
    const oneBytes = kind === WEIGHT_Q8 ? (cols / 32) * PREPARED_Q8 : (cols / 128) * PREPARED_TABLES;
    const many = weight.takesMany ? rowsTogether(rows) : 0;
    const octetBytes = (cols / 128) * OCTET_BLOCK;
    const most = Math.max(1, Math.floor(PREPARED_BYTES / Math.max(octetBytes, 16 * oneBytes))) * 16;
    for (let first = 0; first < rows; ) {
      const octets = first < many;
      const count = Math.min(most, (octets ? many : rows) - first);
      const bytes = octets ? Math.ceil(count / 8) * octetBytes : count * oneBytes;
      const form = octets ? OCTETS : kind === WEIGHT_Q8 ? INT8 : TABLES;
      const prepared = this.#prepare(x, cols, first, count, bytes, form);
      const offset = first * weight.rows * 4;
      if (octets) this.#productsMany(out, offset, prepared, weight, count, accumulate);
      else this.#products(out, offset, prepared, prepared.address, weight, count, accumulate);
      first += count;
    }
  }

  /** Rows `first` and on of x in the form that products read, in `bytes` bytes; made unless they are there already. */
  #prepare(x: Region, cols: number, first: number, rows: number, bytes: number, form: PreparedForm): Region {
    const kept = form === OCTETS ? this.#octets : this.#prepared;
    const { made } = kept;
    if (
      made &&
      made.x === x &&
      made.written === x.written &&
      made.form === form &&
      made.first === first &&
      made.rows === rows
    ) {
      return made.region;
    }
    const region = kept.host.fits(bytes);
    const program = this.#program;
    const address = x.address + first * cols * 4;
    let c: number;
    if (form === OCTETS) c = program.add(OP_PREPARE_MANY, (Math.ceil(rows / 8) * cols) / 128, rows * cols * 5);
    else if (form === INT8) c = program.add(OP_PREPARE, (rows * cols) / 32, rows * cols * 4);
    else c = program.add(OP_PREPARE, (rows * cols) / 128, rows * cols * 20);
    program.writes(region);
    program.reads(x);
    const { words } = program;
    words[c + 1] = region.address;
    words[c + 2] = address;
    words[c + 3] = rows;
    words[c + 4] = cols;
    words[c + 10] = form === INT8 ? WEIGHT_Q8 : WEIGHT_Q1;
    kept.made = { form, x, written: x.written, region, first, rows };
    return region;
  }

  /** Products of `tokens` prepared as octets: panels as tall as leave every thread one, since each makes its own tables. */
  #productsMany(
    out: Region,
    outOffset: number,
    octets: Region,
    weight: WasmWeight,
    tokens: number,
    accumulate: boolean,
  ) {
    const scratch = this.#octetScratch.fits(this.#threads * OCTET_SCRATCH);
    const tiles = Math.ceil(weight.rows / TILE_ROWS);
    const groups = Math.ceil(tokens / 16);
    const wanted = Math.max(Math.ceil(tiles / PANEL_TILES), Math.ceil(this.#threads / groups));
    const panel = Math.min(PANEL_TILES, Math.max(LOW_PANEL, Math.ceil(tiles / wanted)));
    const panels = Math.ceil(tiles / panel);
    const isTernary = weight.layout.kind === WEIGHT_Q2;
    const work = tokens * weight.rows * weight.cols * MANY_COST * (isTernary ? 2 : 1);
    const many = { panel, scratch: scratch.address };
    const input = { region: octets, address: octets.address };
    const code = isTernary ? OP_PRODUCT_MANY_Q2 : OP_PRODUCT_MANY;
    this.#record(code, panels * groups, work, out, outOffset, input, weight, tokens, accumulate, many);
  }

  /** Products of all rows of the weight. */
  #products(
    out: Region,
    outOffset: number,
    region: Region,
    address: number,
    weight: WasmWeight,
    tokens: number,
    accumulate: boolean,
  ): void {
    const { itemRows, productCost } = weight.layout;
    const work = tokens * weight.rows * weight.cols * productCost;
    const items = Math.ceil(weight.rows / itemRows);
    this.#record(OP_PRODUCT, items, work, out, outOffset, { region, address }, weight, tokens, accumulate);
  }

  /** Records products of `items` items in as many commands as keep slices short. */
  #record(
    code: number,
    items: number,
    work: number,
    out: Region,
    outOffset: number,
    input: { region: Region; address: number },
    weight: WasmWeight,
    tokens: number,
    accumulate: boolean,
    many?: { panel: number; scratch: number },
  ): void {
    const program = this.#program;
    const perCommand = Math.max(1, Math.ceil(items / Math.ceil(work / program.sliceWork)));
    for (let first = 0; first < items; first += perCommand) {
      const count = Math.min(perCommand, items - first);
      const inLanes = weight.slab && !many && count === items;
      const c = program.add(code, count, (work * count) / items, inLanes ? weight.lanePairs : count);
      program.writes(out);
      program.reads(input.region);
      const { words } = program;
      words[c + 1] = out.address + outOffset;
      words[c + 2] = input.address;
      words[c + 3] = weight.address;
      words[c + 4] = weight.rows;
      words[c + 5] = weight.cols;
      words[c + 6] = tokens;
      words[c + 7] = accumulate ? 1 : 0;
      words[c + 8] = first;
      weight.describe(program, c);
      if (many) {
        words[c + 7] |= many.panel << 1;
        program.floats[c + 10] = weight.gain;
        words[c + 11] = many.scratch;
      }
    }
  }

  async #load(...[format, rows, cols, read, signal, gain = 1]: LoadArguments): Promise<WasmWeight> {
    const fileBytes = (rows * cols * format.blockBytes) / format.blockSize;
    const layout = layouts[format.name as KernelFormatName];
    if (layout.kind === WEIGHT_Q2 && cols % 128 !== 0) return this.#loadDecoded(format, rows, cols, read, signal, gain);
    const tiled = layout.kind >= WEIGHT_Q1;
    const weight = this.#allocate(format, layout, rows, cols, fileBytes / rows);
    weight.gain = gain;
    try {
      if (layout.kind <= WEIGHT_BF16) await this.#readPieces(weight.address, rows, fileBytes / rows, read, signal);
      else await this.#loadPieces(weight, fileBytes / rows, tiled, read, signal);
    } catch (error) {
      this.free(weight);
      throw error;
    }
    return weight;
  }

  /** Gives back a matrix's memory once no recorded command needs it. */
  free(weight: WasmWeight): void {
    const { slab } = weight;
    if (!slab) this.#program.retire(weight.address);
    else if (slab.matrices.delete(weight) && slab.matrices.size === 0) {
      if (slab === this.#slab) this.#slab = undefined;
      this.#program.retire(slab.address);
    }
  }

  /** Memory for a matrix: large 1- and 2-bit ones in lanes. */
  #allocate(format: Format, layout: Layout, rows: number, cols: number, rowBytes: number): WasmWeight {
    const what = `weight of ${rows} x ${cols} ${format.name}`;
    const tiled = layout.kind >= WEIGHT_Q1;
    const unit = tiled ? PAIR_ROWS : 1;
    const units = Math.ceil(rows / unit);
    const most = tiled ? this.#program.lanes : 1;
    const lanes = units < most * LANE_PAIRS ? 1 : most;
    const laneUnits = Math.ceil(units / lanes);
    const bytes = laneUnits * unit * rowBytes;
    const weight = (address: number) =>
      new WasmWeight(address, format.name as KernelFormatName, layout, rows, cols, lanes * bytes);
    if (lanes === 1) return weight(this.#heap.allocate(bytes, what));
    if (!this.#slab || this.#slab.used + bytes > this.#slab.laneBytes) {
      const laneBytes = Math.max(LANE_BYTES, bytes);
      this.#slab = { address: this.#heap.allocate(lanes * laneBytes, what), laneBytes, used: 0, matrices: new Set() };
    }
    const slab = this.#slab;
    const placed = weight(slab.address + slab.used);
    slab.used += bytes;
    slab.matrices.add(placed);
    return Object.assign(placed, { slab, lanePairs: laneUnits, gap: slab.laneBytes });
  }

  /** Reads straight to where the bytes stay. */
  async #readPieces(address: number, rows: number, rowBytes: number, read: ReadWeight, signal?: AbortSignal) {
    const piece = Math.max(1, Math.floor(PIECE_BYTES / rowBytes)) * rowBytes;
    for (let at = 0; at < rows * rowBytes; at += piece) {
      await read(this.#heap.bytes(address + at, Math.min(piece, rows * rowBytes - at)), at, signal);
    }
  }

  /** Reads pieces while the threads repack (q8: check) the piece before. */
  async #loadPieces(weight: WasmWeight, rowBytes: number, tiled: boolean, read: ReadWeight, signal?: AbortSignal) {
    const pieceRows = Math.max(1, Math.floor(PIECE_BYTES / rowBytes / PAIR_ROWS)) * PAIR_ROWS;
    const staging = this.#stagingFor(pieceRows * rowBytes);
    const source = (row: number) =>
      tiled ? staging.address + ((row / pieceRows) & 1 ? pieceRows * rowBytes : 0) : weight.address + row * rowBytes;
    const start = (row: number) => {
      const bytes = Math.min(pieceRows, weight.rows - row) * rowBytes;
      return read(this.#heap.bytes(source(row), bytes), row * rowBytes, signal);
    };
    let reading = start(0);
    try {
      for (let row = 0; row < weight.rows; row += pieceRows) {
        await reading;
        const next = row + pieceRows;
        if (next < weight.rows) reading = start(next);
        await this.#repack(weight, source(row), row, Math.min(pieceRows, weight.rows - row), rowBytes);
      }
    } finally {
      await reading.catch(() => {}); // the buffer must not be reused while a read may still write to it
    }
  }

  /** Repacks rows that were read, again where 2-bit codes turn out to need the general form. */
  async #repack(weight: WasmWeight, source: number, row: number, rows: number, rowBytes: number): Promise<void> {
    const program = this.#program;
    const staging = this.#staging as Region;
    const report = staging.address + staging.byteLength - 64;
    for (let again = true; again; ) {
      this.#heap.words[(report + REPACK_BAD) >>> 2] = -1;
      this.#heap.words[(report + REPACK_GENERAL) >>> 2] = 0;
      const c = program.add(OP_REPACK, Math.ceil(rows / TILE_ROWS), rows * rowBytes * 4);
      program.writes(weight);
      const { words } = program;
      words[c + 1] = source;
      words[c + 2] = weight.address;
      words[c + 3] = rows;
      words[c + 4] = weight.cols;
      words[c + 5] = report;
      words[c + 6] = report - this.#threads * REPACK_SCRATCH;
      words[c + 7] = row / TILE_ROWS;
      words[c + 8] = Math.ceil(weight.rows / TILE_ROWS);
      weight.describe(program, c);
      await program.finish();
      again = !weight.general && this.#heap.words[(report + REPACK_GENERAL) >>> 2] !== 0;
      if (again) this.#widen(weight, row);
    }
    const bad = this.#heap.words[(report + REPACK_BAD) >>> 2];
    if (bad === -1) return;
    const blocks = weight.cols / weight.layout.span;
    throw badScale(row + Math.floor(bad / blocks), bad % blocks);
  }

  /** Makes the rows before `row`, already packed, general, and those that follow. */
  #widen(weight: WasmWeight, row: number): void {
    const program = this.#program;
    if (row > 0) {
      const c = program.add(OP_WIDEN, row / TILE_ROWS, (row * weight.cols) / 16);
      program.writes(weight);
      program.words[c + 1] = weight.address;
      program.words[c + 2] = weight.cols;
      program.words[c + 3] = Math.ceil(weight.rows / TILE_ROWS);
      weight.describe(program, c);
    }
    weight.general = true;
  }

  /** Widths that tiles cannot hold are kept as float32. */
  async #loadDecoded(...[format, rows, cols, read, signal, gain = 1]: LoadArguments): Promise<WasmWeight> {
    const rowBytes = (cols / format.blockSize) * format.blockBytes;
    const address = this.#heap.allocate(rows * cols * 4, `weight of ${rows} x ${cols} ${format.name}`);
    const pieceRows = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
    const bytes = new Uint8Array(Math.min(rows, pieceRows) * rowBytes);
    try {
      for (let row = 0; row < rows; row += pieceRows) {
        const count = Math.min(pieceRows, rows - row);
        const piece = bytes.subarray(0, count * rowBytes);
        await read(piece, row * rowBytes, signal);
        const target = new Float32Array(this.#heap.memory.buffer, address + row * cols * 4, count * cols);
        format.decode(piece, target as Float32Array<ArrayBuffer>);
        if (gain !== 1) for (let i = 0; i < target.length; i++) target[i] *= gain;
        const bad = target.findIndex((value) => !Number.isFinite(value));
        if (bad >= 0) throw badScale(row + Math.floor(bad / cols), Math.floor((bad % cols) / format.blockSize));
      }
    } catch (error) {
      this.#program.retire(address);
      throw error;
    }
    return new WasmWeight(address, format.name as KernelFormatName, layouts.f32, rows, cols, rows * cols * 4);
  }

  /** Two buffers of at least `pieceBytes`, then scratch of each thread, then the report in the last 64 bytes. */
  #stagingFor(pieceBytes: number): Region {
    const bytes = 2 * Math.max(PIECE_BYTES, Math.ceil(pieceBytes / 64) * 64) + this.#threads * REPACK_SCRATCH + 64;
    if (!this.#staging || this.#staging.byteLength < bytes) {
      if (this.#staging) this.#program.retire(this.#staging.address);
      this.#staging = new Region(this.#heap.allocate(bytes, 'staging for loading'), bytes);
    }
    return this.#staging;
  }
}

function badScale(row: number, block: number): OnebitError {
  return new OnebitError(
    'bad-file',
    `weight: scales must be finite, got infinity or NaN in row ${row}, block ${block}. The file is damaged: download it again.`,
  );
}
