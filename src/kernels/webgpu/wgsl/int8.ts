// Owns products of weights with activations rounded to int8, by WGSL's packed 4 × 8-bit dot products
// (https://www.w3.org/TR/WGSL/#dot4I8Packed-builtin). Must not know who asks for them; products of exact activations are products.ts.
//
// Activations are rounded in blocks of 16 columns: a step max|x|/127 (rounded up to 8 bits of mantissa), int8 multiples of it, and their sum; step and sum
// share a word. Blocks of 32, llama.cpp's, missed the conformance bound where activations have outliers (0.0125 of 0.012). Weights become bytes c without
// touching their signs: 1 bit is 2c − 1, 2 bits are c − 1, 8 bits are c, so a block's product is scale · step · (a Σ cq − b Σ q), exact in integers.
// A 1-bit weight costs 5 integer operations for 4 products, where choosing the sign of float32 activations costs some 16; and a workgroup reads 1.25 bytes
// an activation instead of 4. Numerics: the rounding of activations; sums of blocks in float32.
import type { KernelFormatName } from '../../../quant/format.ts';
import type { Kernel } from '../pipelines.ts';
import { beginTile, storeTile, storeTotals, TILE } from './products.ts';
import { laneSums } from './reduce.ts';
import { blockScale, weightBinding } from './weights.ts';

/** Columns that share a step. */
export const INT8_BLOCK = 16;
/** Columns that a lane takes at a time. */
export const INT8_UNIT = 2 * INT8_BLOCK;
const LANES = 64;
/** Outputs of a workgroup of the matrix-vector product. */
export const INT8_GROUP_ROWS = 8;

/** How the shaders see a format. */
interface Int8Format {
  /** Of 2^shift code words a scale. */
  readonly shift: number;
  /** Code words of 32 columns. */
  readonly words: number;
  readonly factor: number;
  readonly offset: number;
  /** Body of `codes16(word, half)`: 16 columns as unsigned (8-bit weights: signed) bytes; `word` is the first of the 32 columns' words. */
  readonly codes: string;
}

const twoBit = (shift: number): Int8Format => ({
  shift,
  words: 2,
  factor: 1,
  offset: 1,
  codes: /* wgsl */ `
  let bytes = (vec4u(w[word + half]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(0xffu);
  let nibbles = (bytes | (bytes << vec4u(12u))) & vec4u(0x000f000fu);
  return (nibbles | (nibbles << vec4u(6u))) & vec4u(0x03030303u);`,
});

const formats: Partial<Record<KernelFormatName, Int8Format>> = {
  q1_0: {
    shift: 2,
    words: 1,
    factor: 2,
    offset: 1,
    codes: /* wgsl */ `
  let nibbles = (vec4u(w[word] >> (16u * half)) >> vec4u(0u, 4u, 8u, 12u)) & vec4u(15u);
  return (nibbles * 0x00204081u) & vec4u(0x01010101u);`,
  },
  q2_0: twoBit(2),
  'q2_0-128': twoBit(3),
  q8_0: {
    shift: 3,
    words: 8,
    factor: 1,
    offset: 0,
    codes: /* wgsl */ `
  let first = word + 4u * half;
  return vec4u(w[first], w[first + 1u], w[first + 2u], w[first + 3u]);`,
  },
};

/** Whether weights of a format have products with int8 activations. */
export const hasInt8Products = (format: KernelFormatName): boolean => format in formats;

/** 32-bit words of one row of rounded activations: codes, then a word of step and sum per block. */
export const int8Words = (cols: number): number => cols / 4 + cols / INT8_BLOCK;

/** Rounds activations: a lane per block. `groups` [blocks / 64, the rest]. */
export const roundKernel: Kernel = {
  key: 'round to int8',
  access: 'wr',
  code: () => /* wgsl */ `
struct Params { blocks: u32, rowBlocks: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> rounded: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = (group.x + group.y * groups.x) * ${LANES}u + lane;
  if (block >= p.blocks) { return; }
  var largest = vec4f();
  for (var i = 0u; i < 4u; i++) { largest = max(largest, abs(x[block * 4u + i])); }
  let most = max(max(largest.x, largest.y), max(largest.z, largest.w));
  let step = select(0u, (bitcast<u32>(most / 127.0) + 0xffffu) & 0xffff0000u, most > 1.0e-30);
  let inverse = select(0.0, 1.0 / bitcast<f32>(step), step > 0u);
  let row = block / p.rowBlocks;
  let start = row * p.rowBlocks * 5u;
  let codes = start + (block % p.rowBlocks) * 4u;
  var sum = 0;
  for (var i = 0u; i < 4u; i++) {
    let q = vec4i(clamp(round(x[block * 4u + i] * inverse), vec4f(-127.0), vec4f(127.0)));
    sum += q.x + q.y + q.z + q.w;
    rounded[codes + i] = pack4xI8(q);
  }
  rounded[start + p.rowBlocks * 4u + block % p.rowBlocks] = step | (bitcast<u32>(sum) & 0xffffu);
}`,
};

/** Declarations that both products share. */
function shared(format: KernelFormatName): string {
  const { shift, words, codes } = formats[format]!;
  const shader = { unit: INT8_UNIT, groupRows: INT8_GROUP_ROWS, element: 'u32', code: blockScale(shift) };
  return /* wgsl */ `
${weightBinding(3, shader)}
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
fn codes16(word: u32, half: u32) -> vec4u {${codes}
}
fn wordOf(row: u32, unit: u32) -> u32 { return (row * p.units + unit) * ${words}u; }
fn x4(token: u32, unit: u32, half: u32) -> vec4u {
  let at = token * p.units * 10u + unit * 8u + half * 4u;
  return vec4u(x[at], x[at + 1u], x[at + 2u], x[at + 3u]);
}
/** A block's step and, as float32, its sum. */
fn tailOf(token: u32, unit: u32, half: u32) -> vec2f {
  let tail = x[token * p.units * 10u + p.units * 8u + unit * 2u + half];
  return vec2f(bitcast<f32>(tail & 0xffff0000u), f32(bitcast<i32>(tail << 16u) >> 16u));
}`;
}

/** Scaled product of a block, from the integer sum of codes and activations. */
const blockProduct = (format: KernelFormatName, dot: string, tail: string) => {
  const { factor, offset } = formats[format]!;
  const exact = `${factor === 1 ? '' : `${factor}.0 * `}f32(${dot})${offset === 0 ? '' : ` - ${tail}.y`}`;
  return `(${exact}) * ${tail}.x`;
};

/** out[token, row] for each token apart: `groups` [tokens, rows / 8]. */
export function matvecInt8Kernel(format: KernelFormatName, subgroups: boolean): Kernel {
  const sums = laneSums(LANES, INT8_GROUP_ROWS, subgroups);
  const dot = (x: string, codes: string) =>
    Array.from('xyzw', (i) => `dot4I8Packed(${x}.${i}, ${codes}.${i})`).join(' + ');
  return {
    key: `matvec int8 ${format}${sums.suffix}`,
    access: 'wrr',
    code: () => /* wgsl */ `${sums.enable}
${shared(format)}
${sums.declarations}

@compute @workgroup_size(${LANES})
fn main(
  ${sums.parameters}
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let token = group.x;
  let row = (group.y + group.z * groups.y) * ${INT8_GROUP_ROWS}u;
  if (row >= p.rows) { return; }
  let last = p.rows - 1u;
  var own: array<f32, ${INT8_GROUP_ROWS}>;
  for (var unit = lane; unit < p.units; unit += ${LANES}u) {
    let x0 = x4(token, unit, 0u);
    let x1 = x4(token, unit, 1u);
    let tail0 = tailOf(token, unit, 0u);
    let tail1 = tailOf(token, unit, 1u);
    for (var r = 0u; r < ${INT8_GROUP_ROWS}u; r++) {
      let word = wordOf(min(row + r, last), unit);
      let a = codes16(word, 0u);
      let b = codes16(word, 1u);
      let dot0 = ${dot('x0', 'a')};
      let dot1 = ${dot('x1', 'b')};
      own[r] += (${blockProduct(format, 'dot0', 'tail0')} + ${blockProduct(format, 'dot1', 'tail1')}) * scaleOf(word);
    }
  }
  ${sums.code}
  ${storeTotals(INT8_GROUP_ROWS)}
}`,
  };
}

/** out[token, row] in tiles: `groups` [tokens / TILE, rows / TILE]. 32 columns of both at a time lie as bytes in 2.6 KB of workgroup memory. */
export function matmulInt8Kernel(format: KernelFormatName): Kernel {
  return {
    key: `matmul int8 ${format}`,
    access: 'wrr',
    code: () => /* wgsl */ `
${shared(format)}
var<workgroup> xs: array<u32, ${8 * TILE}>; // [four of columns, token]
var<workgroup> ws: array<u32, ${8 * TILE}>; // [four of columns, row]
var<workgroup> tails: array<vec2f, ${2 * TILE}>; // [half of the columns, token]
var<workgroup> scales: array<f32, ${TILE}>;

${beginTile}
  let half = lane & 1u;
  for (var unit = 0u; unit < p.units; unit++) {
    let word = wordOf(row, unit);
    let a = x4(token, unit, half);
    let b = codes16(word, half);
    for (var j = 0u; j < 4u; j++) {
      let at = (4u * half + j) * ${TILE}u + line;
      xs[at] = a[j];
      ws[at] = b[j];
    }
    tails[half * ${TILE}u + line] = tailOf(token, unit, half);
    if (half == 0u) { scales[line] = scaleOf(word); }
    workgroupBarrier();
    let scale = vec4f(scales[n], scales[n + 1u], scales[n + 2u], scales[n + 3u]);
    for (var i = 0u; i < 4u; i++) {
      for (var part = 0u; part < 2u; part++) {
        var dot = vec4i();
        for (var k = part * ${4 * TILE}u; k < (part + 1u) * ${4 * TILE}u; k += ${TILE}u) {
          let q = xs[k + m + i];
          dot += vec4i(
            dot4I8Packed(q, ws[k + n]), dot4I8Packed(q, ws[k + n + 1u]),
            dot4I8Packed(q, ws[k + n + 2u]), dot4I8Packed(q, ws[k + n + 3u]));
        }
        let tail = tails[part * ${TILE}u + m + i];
        sums[i] += ${blockProduct(format, 'dot', 'tail').replace('f32(', 'vec4f(')} * scale;
      }
    }
    workgroupBarrier();
  }
  ${storeTile}
}`,
  };
}
