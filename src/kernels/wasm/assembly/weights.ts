// Owns which product, preparation, repacking and decoding function a weight format uses. Must not know how they work.
// Every weight command's operands end with word 10, the weight's kind, and word 11, its details: bit 0 `general`, the rest the span (repack-q2.ts).
import {
  CODE_MASK, OCTET_BLOCK, OCTET_SCRATCH, OP_PRODUCT_MANY_Q2, REPACK_BAD, REPACK_GENERAL, REPACK_SCRATCH, WEIGHT_BF16, WEIGHT_F16, WEIGHT_F32, WEIGHT_Q1, WEIGHT_Q2, WEIGHT_Q8,
} from './opcodes';
import { decode_bf16, decode_f16, decode_f32, matmul_bf16, matmul_f16, matmul_f32 } from './products-dense';
import { matmul_q1_0 } from './products-q1';
import { multiply_octets } from './products-q1-many';
import { matmul_q2_0 } from './products-q2';
import { multiply_octets_q2 } from './products-q2-many';
import { decode_q8_0, matmul_q8_0, quantize_q8_0 } from './products-q8';
import { decode_q1_0, repack_q1_0 } from './repack-q1';
import { decode_q2_0, repack_q2_0 } from './repack-q2';
import { build_tables } from './tables';
import { build_octets } from './tables-octet';

/**
 * Items are pairs of tiles of 32 rows (1-bit), tiles (2-bit) or groups of 8 rows. Operands: out, activations (prepared, or x for f32, f16, bf16), weight, rows, cols,
 * tokens, accumulate, first item, gap and pairs of a lane (1-bit), or gain (2-bit).
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
  const details = load<i32>(c, 44);
  switch (load<i32>(c, 40)) {
    case WEIGHT_F32: matmul_f32(weight, x, out, stride, rows, cols, tokens, add, row0, row1); break;
    case WEIGHT_F16: matmul_f16(weight, x, out, stride, rows, cols, tokens, add, row0, row1); break;
    case WEIGHT_BF16: matmul_bf16(weight, x, out, stride, rows, cols, tokens, add, row0, row1); break;
    case WEIGHT_Q8: matmul_q8_0(weight, x, out, stride, rows, cols, tokens, add, row0, row1); break;
    case WEIGHT_Q1:
      matmul_q1_0(
        weight, load<i32>(c, 48), load<usize>(c, 36), x, out, stride, rows, cols, tokens, add, from << 1, min(to << 1, (rows + 31) >> 5),
      );
      break;
    case WEIGHT_Q2:
      matmul_q2_0(weight, x, out, stride, rows, cols, tokens, add, from, to, details >> 1, details & 1, load<f32>(c, 36));
      break;
  }
}

/**
 * Items are panels of `tiles` tiles with up to 16 tokens each: all panels of the first tokens, then of the next. Operands: out, octets, weight, rows,
 * cols, tokens, accumulate, first item, gap of lanes (2-bit: gain), tiles of a panel, scratch [threads, OCTET_SCRATCH bytes], pairs of a lane.
 */
export function productMany(c: usize, from: i32, to: i32, thread: i32): void {
  const rows = load<i32>(c, 16);
  const cols = load<i32>(c, 20);
  const tokens = load<i32>(c, 24);
  const panel = load<i32>(c, 40);
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
    const last = min(tile + panel, tiles), add = load<i32>(c, 28);
    if ((load<u32>(c) & CODE_MASK) == OP_PRODUCT_MANY_Q2) {
      multiply_octets_q2(load<usize>(c, 12), octets, out, stride, rows, cols, count, add, tile, last, load<f32>(c, 36), scratch);
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

/** Items are rows. Operands: out, table, cols, tokens, rows of the table, gap and pairs of a lane (1-bit), or gain (2-bit). */
export function embed(c: usize, from: i32, to: i32): void {
  const table = load<usize>(c, 8);
  const cols = load<i32>(c, 12);
  const tokens = load<usize>(c, 16);
  const details = load<i32>(c, 44);
  for (let r: usize = from; r < <usize>to; r++) {
    const row = load<i32>(tokens + (r << 2));
    const out: usize = load<usize>(c, 4) + ((r * <usize>cols) << 2);
    switch (load<i32>(c, 40)) {
      case WEIGHT_F32: decode_f32(table, row, cols, out); break;
      case WEIGHT_F16: decode_f16(table, row, cols, out); break;
      case WEIGHT_BF16: decode_bf16(table, row, cols, out); break;
      case WEIGHT_Q8: decode_q8_0(table, row, cols, out); break;
      case WEIGHT_Q1: decode_q1_0(table, load<i32>(c, 48), load<usize>(c, 36), row, load<i32>(c, 20), cols, out); break;
      case WEIGHT_Q2: decode_q2_0(table, row, cols, details >> 1, details & 1, load<f32>(c, 36), out); break;
    }
  }
}

/**
 * Items are tiles of 32 rows. Operands: source, tiles (1-bit: of the matrix; else of the source's rows), rows, cols, report (two words: see REPACK_BAD,
 * REPACK_GENERAL), scratch [threads, REPACK_SCRATCH bytes], the first tile, tiles of the matrix, gap and pairs of a lane (1-bit). q8 stays where it is
 * and is only checked.
 */
export function repack(c: usize, from: i32, to: i32, thread: i32): void {
  const cols = load<i32>(c, 16);
  const report = load<usize>(c, 20);
  const scratch: usize = load<usize>(c, 24) + <usize>(thread * REPACK_SCRATCH);
  const rows = min(to << 5, load<i32>(c, 12)) - (from << 5);
  const details = load<i32>(c, 44);
  const span = details >> 1;
  const kind = load<i32>(c, 40);
  const blockBytes: usize = kind == WEIGHT_Q8 ? 34 : kind == WEIGHT_Q1 ? 18 : <usize>(2 + span / 4);
  const blocks = cols / (kind == WEIGHT_Q8 ? 32 : kind == WEIGHT_Q1 ? 128 : span);
  const source: usize = load<usize>(c, 4) + <usize>(from << 5) * <usize>blocks * blockBytes;
  let bad: i32;
  if (kind == WEIGHT_Q8) bad = firstBadScale(source, <usize>(rows * blocks));
  else if (kind == WEIGHT_Q1) {
    bad = repackTiles(c, source, scratch, from, to);
  } else {
    const tiles = load<usize>(c, 8) + <usize>from * <usize>blocks * <usize>(64 + 8 * span);
    bad = repack_q2_0(source, tiles, scratch, rows, cols, span, details & 1);
  }
  if (bad == -2) atomic.store<i32>(report + REPACK_GENERAL, 1);
  else if (bad >= 0) storeSmaller(report + REPACK_BAD, (from << 5) * blocks + bad);
}

/** Repacks 1-bit tiles `from` to `to`; `source` is the first row of tile `from`. */
function repackTiles(c: usize, source: usize, scratch: usize, from: i32, to: i32): i32 {
  const tiles = load<usize>(c, 8), gap = load<usize>(c, 36), lanePairs = load<i32>(c, 48);
  const rows = load<i32>(c, 12), cols = load<i32>(c, 16), first = load<i32>(c, 28), count = load<i32>(c, 32);
  const blocks = cols >> 7;
  let bad = -1;
  for (let tile = from; tile < to; tile++) {
    const left = min(rows - (tile << 5), 32);
    const found = repack_q1_0(source, tiles, lanePairs, gap, first + tile, count, scratch, left, cols);
    if (found >= 0 && bad < 0) bad = ((tile - from) << 5) * blocks + found;
    source += <usize>blocks * (18 * 32);
  }
  return bad;
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

/** Items are tiles of 32 rows of 2-bit weights packed with general 0. Operands: tiles, cols. Makes them general: A' = B, B' = A xor B. */
export function widen(c: usize, from: i32, to: i32): void {
  const span = load<i32>(c, 44) >> 1;
  const blocks = load<i32>(c, 8) / span;
  const plane: usize = <usize>span << 2;
  const blockBytes: usize = 64 + 2 * plane;
  let tile = load<usize>(c, 4) + <usize>(from * blocks) * blockBytes;
  const end = load<usize>(c, 4) + <usize>(to * blocks) * blockBytes;
  for (; tile < end; tile += blockBytes) {
    for (let i: usize = 64; i < 64 + plane; i += 16) {
      const a = v128.load(tile + i);
      const b = v128.load(tile + plane + i);
      v128.store(tile + i, b);
      v128.store(tile + plane + i, v128.xor(a, b));
    }
  }
}
