// Owns products with +-scale weights by look-up tables in training: packing weights for both directions, and the products of a block of tokens, whose
// tables a thread builds in its own scratch. The look-ups are those of inference (products-q1.ts), within 8-bit rounding of the activations.
// Forward, a scale belongs to an output and 128 inputs. Backward (sums over outputs) it cannot be taken out of the sum, so each group of 128 inputs
// has tables of its own, of the gradient times that group's scales.
import { toHalf4 } from './math';
import { matmul_q1_0 } from './products-q1';
import { Q1_TILE_BLOCK, repack_q1_0 } from './repack-q1';
import { build_tables, TABLE_BLOCK } from './tables';
import { pairsOf } from './tile-order';
import { SIGN_RANGE_BLOCKS, SIGN_TOKENS } from './training-opcodes';

/** Bytes of a block of 128 weights in a file. */
const FILE_BLOCK: usize = 18;
/** 1 as a half float. */
const HALF_ONE: u16 = 0x3c00;

/**
 * Items are tiles of 32 outputs. Operands: tiles, weights [rows, cols] that are +-scale, rows, cols, scratch, scratch bytes per thread. Scratch: 1024
 * bytes, 32 rows as in a file.
 */
export function packForward(c: usize, from: i32, to: i32, thread: i32): void {
  const rows = load<i32>(c, 12);
  const cols = load<i32>(c, 16);
  const tiles = (rows + 31) >> 5;
  const blocks: usize = <usize>cols >> 7;
  const scratch: usize = load<usize>(c, 20) + <usize>thread * load<usize>(c, 24);
  for (let tile = from; tile < to; tile++) {
    const count = min(32, rows - (tile << 5));
    let source: usize = load<usize>(c, 8) + ((<usize>(tile << 5) * <usize>cols) << 2);
    let block = scratch + 1024;
    for (let i: usize = 0; i < <usize>count * blocks; i++) {
      fileBlock(block, source);
      source += 512;
      block += FILE_BLOCK;
    }
    repack_q1_0(scratch + 1024, load<usize>(c, 4), pairsOf(tiles), 0, tile, tiles, scratch, count, cols);
  }
}

/** Encodes 128 weights +-scale. */
function fileBlock(out: usize, w: usize): void {
  store<u16>(out, <u16>i32x4.extract_lane(toHalf4(f32x4.abs(v128.load(w))), 0));
  const zero = f32x4.splat(0);
  for (let i: usize = 0; i < 16; i++) {
    const low = i32x4.bitmask(f32x4.ge(v128.load(w), zero));
    const high = i32x4.bitmask(f32x4.ge(v128.load(w, 16), zero));
    store<u8>(out + i, <u8>(low | (high << 4)), 2);
    w += 32;
  }
}

/**
 * Items are tiles of 32 inputs. Operands as in packForward, then: scales [cols / 128, rows rounded up to 128]. Tiles [ranges of SIGN_RANGE_BLOCKS
 * blocks of outputs, cols / 32, blocks of the range]; scales in tiles are 1.
 */
export function packBackward(c: usize, from: i32, to: i32, thread: i32): void {
  const rows = load<i32>(c, 12);
  const cols = load<i32>(c, 16);
  const weights: usize = load<usize>(c, 8);
  const scratch: usize = load<usize>(c, 20) + <usize>thread * load<usize>(c, 24);
  const blocks = (rows + 127) >> 7;
  for (let tile = from; tile < to; tile++) {
    if ((tile & 3) == 0) {
      const scales: usize = load<usize>(c, 28) + (<usize>((tile >> 2) * blocks) << 9);
      for (let o: usize = 0; o < <usize>blocks << 7; o++) {
        const at = weights + ((o * <usize>cols + (<usize>tile << 5)) << 2);
        store<f32>(scales + (o << 2), o < <usize>rows ? abs<f32>(load<f32>(at)) : 0);
      }
    }
    for (let first = 0; first < blocks; first += SIGN_RANGE_BLOCKS) {
      const count = min(SIGN_RANGE_BLOCKS, blocks - first);
      for (let b = 0; b < count; b++) {
        const out = scratch + 1024 + <usize>b * FILE_BLOCK;
        transposeSigns(out, <usize>count * FILE_BLOCK, weights, cols, tile << 5, (first + b) << 7, rows);
      }
      const tiles: usize = load<usize>(c, 4) + <usize>(first * (cols >> 5)) * Q1_TILE_BLOCK;
      repack_q1_0(scratch + 1024, tiles, pairsOf(cols >> 5), 0, tile, cols >> 5, scratch, 32, count << 7);
    }
  }
}

/** Blocks of 128 outputs from `output` for the 32 inputs from `input`, `stride` bytes apart. */
function transposeSigns(out: usize, stride: usize, weights: usize, cols: i32, input: i32, output: i32, rows: i32): void {
  for (let j: usize = 0; j < 32; j++) store<u16>(out + j * stride, HALF_ONE);
  for (let o: usize = 0; o < 128; o += 8) {
    let low: u64 = 0; // bit 8 i + o % 8: input i, for inputs 0 to 7, and so on
    let second: u64 = 0;
    let third: u64 = 0;
    let high: u64 = 0;
    for (let i: usize = 0; i < 8; i++) {
      const row: usize = <usize>output + o + i;
      if (row >= <usize>rows) break;
      const w = weights + ((row * <usize>cols + <usize>input) << 2);
      low |= spread(signs8(w)) << i;
      second |= spread(signs8(w + 32)) << i;
      third |= spread(signs8(w + 64)) << i;
      high |= spread(signs8(w + 96)) << i;
    }
    const at = out + 2 + (o >> 3);
    storeBytes(at, stride, low);
    storeBytes(at + 8 * stride, stride, second);
    storeBytes(at + 16 * stride, stride, third);
    storeBytes(at + 24 * stride, stride, high);
  }
}

/** The signs of eight weights, 1 for those from 0. */
// @ts-ignore: decorator
@inline function signs8(w: usize): u64 {
  const zero = f32x4.splat(0);
  const low = i32x4.bitmask(f32x4.ge(v128.load(w), zero));
  return <u64>(low | (i32x4.bitmask(f32x4.ge(v128.load(w, 16), zero)) << 4));
}

/** Bit i of a byte to bit 8 i. */
// @ts-ignore: decorator
@inline function spread(bits: u64): u64 {
  const nibbles = (bits | (bits << 28)) & 0x0000000f0000000f;
  const pairs = (nibbles | (nibbles << 14)) & 0x0003000300030003;
  return (pairs | (pairs << 7)) & 0x0101010101010101;
}

function storeBytes(at: usize, stride: usize, bytes: u64): void {
  for (let i: usize = 0; i < 8; i++) {
    store<u8>(at, <u8>bytes);
    bytes >>= 8;
    at += stride;
  }
}

/**
 * Items are blocks of SIGN_TOKENS tokens. Operands: x [tokens, cols], cols, tokens, base of the first output or 0, scratch, scratch bytes per thread,
 * outputs, list of outputs (out, tiles, rows).
 */
export function signProducts(c: usize, from: i32, to: i32, thread: i32): void {
  const cols = load<i32>(c, 8);
  const blocks = cols >> 7;
  const base: usize = load<usize>(c, 16);
  const tables: usize = load<usize>(c, 20) + <usize>thread * load<usize>(c, 24);
  const outputs = load<i32>(c, 28);
  for (let item = from; item < to; item++) {
    const first = item * SIGN_TOKENS;
    const count = min(SIGN_TOKENS, load<i32>(c, 12) - first);
    build_tables(load<usize>(c, 4) + ((<usize>first * <usize>cols) << 2), tables, 0, count * blocks);
    let list: usize = load<usize>(c, 32);
    for (let i = 0; i < outputs; i++) {
      const rows = load<i32>(list, 8);
      const stride: usize = <usize>rows << 2;
      const at: usize = <usize>first * stride;
      const out: usize = load<usize>(list) + at;
      if (base && base + at != out) memory.copy(out, base + at, <usize>count * stride);
      const tiles = (rows + 31) >> 5;
      matmul_q1_0(load<usize>(list, 4), pairsOf(tiles), 0, tables, out, stride, rows, cols, count, base ? 1 : 0, 0, tiles);
      list += 12;
    }
  }
}

/**
 * Items are blocks of SIGN_TOKENS tokens. dX [tokens, cols] = dOut [tokens, rows] times the weights [rows, cols]. Operands: dX, dOut, tiles, scales
 * (as packBackward stores them), rows, cols, tokens, accumulate, scratch, scratch bytes per thread. Scratch: scaled gradients, tables.
 */
export function signProductBackward(c: usize, from: i32, to: i32, thread: i32): void {
  const rows = load<i32>(c, 20);
  const cols = load<i32>(c, 24);
  const stride: usize = <usize>cols << 2;
  const blocks = (rows + 127) >> 7;
  const scaled: usize = load<usize>(c, 36) + <usize>thread * load<usize>(c, 40);
  const tables = scaled + SIGN_RANGE_BLOCKS * 512;
  for (let item = from; item < to; item++) {
    const token = item * SIGN_TOKENS;
    const count = min(SIGN_TOKENS, load<i32>(c, 28) - token);
    const out: usize = load<usize>(c, 4) + <usize>token * stride;
    for (let group = 0; group < cols >> 7; group++) {
      const scales: usize = load<usize>(c, 16) + (<usize>(group * blocks) << 9);
      for (let first = 0; first < blocks; first += SIGN_RANGE_BLOCKS) {
        const range = min(SIGN_RANGE_BLOCKS, blocks - first);
        const width = min(range << 7, rows - (first << 7));
        let dOut: usize = load<usize>(c, 8) + ((<usize>token * <usize>rows + (<usize>first << 7)) << 2);
        let table = tables;
        for (let t = 0; t < count; t++) {
          scale(scaled, dOut, scales + (<usize>first << 9), width, range << 7);
          build_tables(scaled, table, 0, range);
          dOut += <usize>rows << 2;
          table += <usize>range * TABLE_BLOCK;
        }
        const tiles: usize = load<usize>(c, 12) + <usize>(first * (cols >> 5)) * Q1_TILE_BLOCK;
        const add = first > 0 ? 1 : load<i32>(c, 32);
        const pairs = pairsOf(cols >> 5);
        matmul_q1_0(tiles, pairs, 0, tables, out, stride, cols, range << 7, count, add, group << 2, (group << 2) + 4);
      }
    }
  }
}

/** out[i] = x[i] * scales[i], zero from `width` to `end`. */
function scale(out: usize, x: usize, scales: usize, width: i32, end: i32): void {
  const bytes: usize = <usize>width << 2;
  let i: usize = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(out + i, f32x4.mul(v128.load(x + i), v128.load(scales + i)));
  for (; i < bytes; i += 4) store<f32>(out + i, load<f32>(x + i) * load<f32>(scales + i));
  memory.fill(out + bytes, 0, (<usize>end << 2) - bytes);
}
