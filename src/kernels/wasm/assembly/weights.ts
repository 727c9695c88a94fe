// Owns which product, preparation, repacking and decoding function a weight format uses. Must not know how they work.
// Every weight command's operands end with word 9, the gap of its lanes, word 10, its kind in the lowest byte, then its details: bit 0 `general`, the rest the
// span (repack-q2.ts); word 11, the gain of 2-bit weights, and word 12, the pairs of a lane (tile-order.ts).
import {
  CODE_MASK, OCTET_BLOCK, OCTET_SCRATCH, OP_PRODUCT_MANY_Q2, REPACK_BAD, REPACK_GENERAL, REPACK_SCRATCH, WEIGHT_BF16, WEIGHT_F16, WEIGHT_F32, WEIGHT_Q1, WEIGHT_Q2, WEIGHT_Q8,
} from './opcodes';
import { decode_bf16, decode_f16, decode_f32, matmul_bf16, matmul_f16, matmul_f32 } from './products-dense';
import { matmul_q1_0 } from './products-q1';
import { multiply_octets } from './products-q1-many';
import { matmul_q2_0 } from './products-q2';
import { decode_q8_0, matmul_q8_0, quantize_q8_0 } from './products-q8';
import { matmul_ternary } from './products-ternary';
import { multiply_octets_ternary } from './products-ternary-many';
import { decode_q1_0, repack_q1_0 } from './repack-q1';
import { decode_q2_0, q2BlockBytes, repack_q2_0, widenGroups } from './repack-q2';
import { build_tables } from './tables';
import { build_octets } from './tables-octet';
import { blockAt } from './tile-order';

/**
 * Items are pairs of tiles of 32 rows (1- and 2-bit) or groups of 8 rows. Operands: out, activations (prepared, or x for f32, f16, bf16), weight, rows, cols,
 * tokens, accumulate, first item.
 */
export function product(c: usize, from: i32, to: i32): void {
  const out = load<usize>(c, 4);
  const x = load<usize>(c, 8);
  const weight = load<usize>(c, 12);
  const rows = load<i32>(c, 16);
  const cols = load<i32>(c, 20);
  const tokens = load<i32>(c, 24);
  const add = load<i32>(c, 28);
  const first = load<i32>(c, 32);
  const stride: usize = <usize>rows << 2;
  from += first;
  to += first;
  const row0 = from << 3;
  const row1 = min(to << 3, rows);
  const tile0 = from << 1, tile1 = min(to << 1, (rows + 31) >> 5);
  const gap = load<usize>(c, 36), lanePairs = load<i32>(c, 48), gain = load<f32>(c, 44);
  const details = load<i32>(c, 40) >> 8, span = details >> 1, general = details & 1;
  switch (load<i32>(c, 40) & 255) {
    case WEIGHT_F32: matmul_f32(weight, x, out, stride, rows, cols, tokens, add, row0, row1); break;
    case WEIGHT_F16: matmul_f16(weight, x, out, stride, rows, cols, tokens, add, row0, row1); break;
    case WEIGHT_BF16: matmul_bf16(weight, x, out, stride, rows, cols, tokens, add, row0, row1); break;
    case WEIGHT_Q8: matmul_q8_0(weight, x, out, stride, rows, cols, tokens, add, row0, row1); break;
    case WEIGHT_Q1:
      matmul_q1_0(weight, lanePairs, gap, x, out, stride, rows, cols, tokens, add, tile0, tile1);
      break;
    case WEIGHT_Q2:
      if (!general) matmul_ternary(weight, lanePairs, gap, x, out, stride, rows, cols, tokens, add, tile0, tile1, span, gain);
      else matmul_q2_0(weight, lanePairs, gap, x, out, stride, rows, cols, tokens, add, tile0, tile1, span, gain);
      break;
  }
}

/**
 * Items are panels of `tiles` tiles with up to 16 tokens each: all panels of the first tokens, then of the next. Operands: out, octets, weight, rows,
 * cols, tokens, accumulate (bit 0) and tiles of a panel (the rest), first item, gap of lanes, gain (2-bit), scratch [threads, OCTET_SCRATCH bytes], pairs of
 * a lane.
 */
export function productMany(c: usize, from: i32, to: i32, thread: i32): void {
  const rows = load<i32>(c, 16);
  const cols = load<i32>(c, 20);
  const tokens = load<i32>(c, 24);
  const panel = load<i32>(c, 28) >> 1;
  const scratch: usize = load<usize>(c, 44) + <usize>(thread * OCTET_SCRATCH);
  const stride: usize = <usize>rows << 2;
  const tiles = (rows + 31) >> 5;
  const panels = (tiles + panel - 1) / panel;
  const first = load<i32>(c, 32);
  for (let item = from + first; item < to + first; item++) {
    const token = (item / panels) << 4;
    const tile = (item % panels) * panel;
    const octets: usize = load<usize>(c, 8) + <usize>((token >> 3) * (cols >> 7)) * OCTET_BLOCK;
    const out: usize = load<usize>(c, 4) + <usize>token * stride;
    const count = min(16, tokens - token);
    const last = min(tile + panel, tiles), add = load<i32>(c, 28) & 1;
    if ((load<u32>(c) & CODE_MASK) == OP_PRODUCT_MANY_Q2) {
      multiply_octets_ternary(
        load<usize>(c, 12), load<i32>(c, 48), load<usize>(c, 36), octets, out, stride, rows, cols, count, add, tile, last, load<f32>(c, 40), scratch,
      );
    } else {
      multiply_octets(
        load<usize>(c, 12), load<i32>(c, 48), load<usize>(c, 36), octets, out, stride, rows, cols, count, add, tile, last, scratch,
      );
    }
  }
}

/** Items are blocks of 128 activations of eight tokens. Operands: out, x, tokens, cols. */
export function prepareMany(c: usize, from: i32, to: i32): void {
  build_octets(load<usize>(c, 8), load<usize>(c, 4), load<i32>(c, 12), load<i32>(c, 16), from, to);
}

/** Items are blocks of 32 (q8) or 128 activations. Operands: out, x. */
export function prepare(c: usize, from: i32, to: i32): void {
  if (load<i32>(c, 40) == WEIGHT_Q8) quantize_q8_0(load<usize>(c, 8), load<usize>(c, 4), from, to);
  else build_tables(load<usize>(c, 8), load<usize>(c, 4), from, to);
}

/** Items are rows. Operands: out, table, cols, tokens, rows of the table. */
export function embed(c: usize, from: i32, to: i32): void {
  const table = load<usize>(c, 8);
  const cols = load<i32>(c, 12);
  const tokens = load<usize>(c, 16);
  const rows = load<i32>(c, 20), gap = load<usize>(c, 36), lanePairs = load<i32>(c, 48);
  const details = load<i32>(c, 40) >> 8;
  for (let r: usize = from; r < <usize>to; r++) {
    const row = load<i32>(tokens + (r << 2));
    const out: usize = load<usize>(c, 4) + ((r * <usize>cols) << 2);
    switch (load<i32>(c, 40) & 255) {
      case WEIGHT_F32: decode_f32(table, row, cols, out); break;
      case WEIGHT_F16: decode_f16(table, row, cols, out); break;
      case WEIGHT_BF16: decode_bf16(table, row, cols, out); break;
      case WEIGHT_Q8: decode_q8_0(table, row, cols, out); break;
      case WEIGHT_Q1: decode_q1_0(table, lanePairs, gap, row, rows, cols, out); break;
      case WEIGHT_Q2:
        decode_q2_0(table, lanePairs, gap, row, rows, cols, details >> 1, details & 1, load<f32>(c, 44), out);
        break;
    }
  }
}

/**
 * Items are tiles of 32 rows of the source. Operands: source, tiles of the matrix, rows, cols, report (two words: see REPACK_BAD, REPACK_GENERAL), scratch
 * [threads, REPACK_SCRATCH bytes], the first tile, tiles of the matrix. q8 stays where it is and is only checked.
 */
export function repack(c: usize, from: i32, to: i32, thread: i32): void {
  const cols = load<i32>(c, 16);
  const report = load<usize>(c, 20);
  const kind = load<i32>(c, 40) & 255;
  const span = load<i32>(c, 40) >> 9;
  const blockBytes: usize = kind == WEIGHT_Q8 ? 34 : kind == WEIGHT_Q1 ? 18 : <usize>(2 + span / 4);
  const blocks = cols / (kind == WEIGHT_Q8 ? 32 : kind == WEIGHT_Q1 ? 128 : span);
  const source: usize = load<usize>(c, 4) + <usize>(from << 5) * <usize>blocks * blockBytes;
  if (kind == WEIGHT_Q8) {
    const bad = firstBadScale(source, <usize>(min(to << 5, load<i32>(c, 12)) - (from << 5)) * <usize>blocks);
    if (bad >= 0) storeSmaller(report + REPACK_BAD, (from << 5) * blocks + bad);
  } else {
    const scratch: usize = load<usize>(c, 24) + <usize>(thread * REPACK_SCRATCH);
    repackTiles(c, source, <usize>blocks * blockBytes * 32, scratch, from, to, blocks);
  }
}

/** Repacks tiles `from` to `to` of 1- or 2-bit weights; `source` is the first row of tile `from`, `step` the bytes of 32 rows. */
function repackTiles(c: usize, source: usize, step: usize, scratch: usize, from: i32, to: i32, blocks: i32): void {
  const tiles = load<usize>(c, 8), gap = load<usize>(c, 36), lanePairs = load<i32>(c, 48);
  const rows = load<i32>(c, 12), cols = load<i32>(c, 16), first = load<i32>(c, 28), count = load<i32>(c, 32);
  const details = load<i32>(c, 40) >> 8;
  const report = load<usize>(c, 20);
  for (let tile = from; tile < to; tile++) {
    const left = min(rows - (tile << 5), 32);
    let bad: i32;
    if ((load<i32>(c, 40) & 255) == WEIGHT_Q1) bad = repack_q1_0(source, tiles, lanePairs, gap, first + tile, count, scratch, left, cols);
    else bad = repack_q2_0(source, tiles, lanePairs, gap, first + tile, count, scratch, left, cols, details >> 1, details & 1);
    if (bad == -2) atomic.store<i32>(report + REPACK_GENERAL, 1);
    else if (bad >= 0) storeSmaller(report + REPACK_BAD, (tile << 5) * blocks + bad);
    source += step;
  }
}

/** Keeps the smallest of what threads report, as an unsigned number. */
function storeSmaller(address: usize, value: u32): void {
  let old = atomic.load<u32>(address);
  while (value < old) {
    const seen = atomic.cmpxchg<u32>(address, old, value);
    if (seen == old) return;
    old = seen;
  }
}

/** The first of `blocks` q8 blocks whose scale is infinite or not a number, or -1. */
function firstBadScale(source: usize, blocks: usize): i32 {
  for (let b: usize = 0; b < blocks; b++) {
    if ((load<u16>(source + b * 34) & 0x7c00) == 0x7c00) return <i32>b;
  }
  return -1;
}

/** Items are tiles of 32 rows of 2-bit weights packed with general 0. Operands: tiles, cols, tiles of the matrix. Makes them general. */
export function widen(c: usize, from: i32, to: i32): void {
  const cols = load<i32>(c, 8), count = load<i32>(c, 12), gap = load<usize>(c, 36), lanePairs = load<i32>(c, 48);
  const span = load<i32>(c, 40) >> 9;
  const blockBytes: usize = 64 + <usize>span * 8;
  for (let tile = from; tile < to; tile++) {
    let block: usize = 0;
    for (let column = 0; column < cols; column += span) {
      if ((column & 127) == 0) {
        block = load<usize>(c, 4) + blockAt(lanePairs, gap, tile, column >> 7, count, cols >> 7, q2BlockBytes(span));
      }
      const end = block + blockBytes;
      widenGroups(block + 64, end);
      block = end;
    }
  }
}
