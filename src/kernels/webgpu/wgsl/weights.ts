// Owns how WGSL reads weights and activations: four at a time, and a unit (4 or 16 columns) at a time in products.
// Must not know what kernels do with them. Layouts are written by ../weights.ts; facts about formats: docs/formats.md.
//
// 1-, 2- and 8-bit weights: all codes of a part as in the file, without their scales, then all fp16 scales, two per word. Rows follow each other
// without gaps. Numerics: every weight is expanded to float32 exactly; activations stay float32; only the order of sums differs from the reference.
import type { KernelFormatName } from '../../../quant/format.ts';

/** How the shaders see a format. */
export interface WeightShader {
  /** Columns of a unit. */
  readonly unit: number;
  /** Rows that a workgroup of a matrix-vector product shares its activations among: more where a word of weights meets more activations. */
  readonly groupRows: number;
  /** Type of an element of the binding `w`, of `words` 32-bit words. */
  readonly element: string;
  /** Functions `weight4(row, c4)` and `unitDot(row, unit, x0, …)`. */
  readonly code: string;
}

/**
 * fp16 to float32 by integers: exact for subnormal numbers too, which `unpack2x16float` may flush and small scales are.
 */
const halfToFloat = /* wgsl */ `
fn halfToFloat(h: u32) -> f32 {
  let magnitude = h & 0x7fffu;
  let normal = bitcast<f32>((magnitude << 13u) + 0x38000000u);
  let value = select(normal, f32(magnitude) * 5.9604644775390625e-8, magnitude < 0x400u);
  return select(value, -value, (h & 0x8000u) != 0u);
}
`;

/** The factor on all weights; those in blocks have it in their scales. */
const gain = 'bitcast<f32>(p.gain)';

/** Scale of the block that holds code word `word`, of 2^shift words. */
export const blockScale = (shift: number) => /* wgsl */ `${halfToFloat}
fn scaleOf(word: u32) -> f32 {
  let block = word >> ${shift}u;
  return halfToFloat((w[p.scales + (block >> 1u)] >> ((block & 1u) * 16u)) & 0xffffu) * ${gain};
}
`;

/**
 * Bit 1 is +, 0 is −: a mask, a comparison, a choice of sign and an addition a weight. A unit is half a word: with whole words, eight fours of
 * activations at a time, SwiftShader's compiler did not finish within minutes.
 */
const q1 = /* wgsl */ `${blockScale(2)}
fn signed4(x: vec4f, word: u32, first: u32) -> vec4f {
  return select(-x, x, (vec4u(word) & (vec4u(1u, 2u, 4u, 8u) << vec4u(first))) != vec4u());
}
fn weight4(row: u32, c4: u32) -> vec4f {
  let word = row * (p.cols4 >> 3u) + (c4 >> 3u);
  return signed4(vec4f(scaleOf(word)), w[word], (c4 & 7u) * 4u);
}
fn unitDot(row: u32, unit: u32, ${arguments_(4)}) -> f32 {
  let word = row * (p.cols4 >> 3u) + (unit >> 1u);
  let codes = w[word] >> ((unit & 1u) * 16u);
  let sums = ${terms(4, (i) => `signed4(x${i}, codes, ${4 * i}u)`)};
  return dot(sums, vec4f(1.0)) * scaleOf(word);
}
`;

/** Codes 0 to 3 are −1 to +2. */
const q2 = (shift: number) => /* wgsl */ `${blockScale(shift)}
fn codes4(word: u32, first: u32) -> vec4f {
  return vec4f((vec4u(word >> first) >> vec4u(0u, 2u, 4u, 6u)) & vec4u(3u)) - 1.0;
}
fn weight4(row: u32, c4: u32) -> vec4f {
  let word = row * (p.cols4 >> 2u) + (c4 >> 2u);
  return codes4(w[word], (c4 & 3u) * 8u) * scaleOf(word);
}
fn unitDot(row: u32, unit: u32, ${arguments_(4)}) -> f32 {
  let word = row * p.units + unit;
  let codes = w[word];
  return (${terms(4, (i) => `dot(x${i}, codes4(codes, ${8 * i}u))`)}) * scaleOf(word);
}
`;

const q8 = /* wgsl */ `${blockScale(3)}
fn weight4(row: u32, c4: u32) -> vec4f {
  let word = row * p.cols4 + c4;
  return vec4f((vec4i(bitcast<i32>(w[word])) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u)) * scaleOf(word);
}
`;

const f32 = `fn weight4(row: u32, c4: u32) -> vec4f { return bitcast<vec4f>(w[row * p.cols4 + c4]) * ${gain}; }`;
const f16 = /* wgsl */ `${halfToFloat}
fn weight4(row: u32, c4: u32) -> vec4f {
  let words = w[row * p.cols4 + c4];
  return vec4f(
    halfToFloat(words.x & 0xffffu), halfToFloat(words.x >> 16u), halfToFloat(words.y & 0xffffu), halfToFloat(words.y >> 16u)) * ${gain};
}
`;
const bf16 = /* wgsl */ `
fn weight4(row: u32, c4: u32) -> vec4f {
  let words = w[row * p.cols4 + c4];
  return bitcast<vec4f>(vec4u(words.x << 16u, words.x & 0xffff0000u, words.y << 16u, words.y & 0xffff0000u)) * ${gain};
}
`;

/** Float formats whose width is no multiple of 4: an element at a time, zero behind the row's end. */
const oneByOne = (decode: string) => /* wgsl */ `${decode}
fn weight4(row: u32, c4: u32) -> vec4f {
  var values = vec4f();
  for (var i = 0u; i < 4u; i++) {
    if (c4 * 4u + i < p.cols) { values[i] = weightAt(row * p.cols + c4 * 4u + i); }
  }
  return values * ${gain};
}
`;
const oneHalf = 'let h = (w[at >> 1u] >> ((at & 1u) * 16u)) & 0xffffu;';
const scalars: Partial<Record<KernelFormatName, string>> = {
  f32: 'fn weightAt(at: u32) -> f32 { return bitcast<f32>(w[at]); }',
  f16: `${halfToFloat}fn weightAt(at: u32) -> f32 { ${oneHalf} return halfToFloat(h); }`,
  bf16: `fn weightAt(at: u32) -> f32 { ${oneHalf} return bitcast<f32>(h << 16u); }`,
};

/** Products of a unit from `weight4`, where that reads no word twice. */
const dotBy4 = (count: number) => /* wgsl */ `
fn unitDot(row: u32, unit: u32, ${arguments_(count)}) -> f32 {
  return ${terms(count, (i) => `dot(x${i}, weight4(row, unit * ${count}u + ${i}u))`)};
}
`;

const vectorShaders: Record<KernelFormatName, WeightShader> = {
  f32: { unit: 4, groupRows: 4, element: 'vec4u', code: f32 + dotBy4(1) },
  f16: { unit: 4, groupRows: 4, element: 'vec2u', code: f16 + dotBy4(1) },
  bf16: { unit: 4, groupRows: 4, element: 'vec2u', code: bf16 + dotBy4(1) },
  q8_0: { unit: 16, groupRows: 4, element: 'u32', code: q8 + dotBy4(4) },
  q1_0: { unit: 16, groupRows: 8, element: 'u32', code: q1 },
  q2_0: { unit: 16, groupRows: 8, element: 'u32', code: q2(2) },
  'q2_0-128': { unit: 16, groupRows: 8, element: 'u32', code: q2(3) },
};

/** Whether rows of `cols` can be read four columns at a time. */
export const readsBy4 = (cols: number) => cols % 4 === 0;

/** How to read weights of `format` and width `cols`. */
export function weightShader(format: KernelFormatName, cols: number): WeightShader {
  const shader = vectorShaders[format];
  if (readsBy4(cols)) return shader;
  return { ...shader, element: 'u32', code: oneByOne(scalars[format]!) + dotBy4(1) };
}

/** Declares the parameters of kernels that read weights, and the weights at `binding`. */
export function weightBinding(binding: number, shader: WeightShader): string {
  return /* wgsl */ `
struct Params {
  rows: u32,        // of this part of the weight
  firstRow: u32,    // of the whole weight
  allRows: u32,
  cols: u32,
  cols4: u32,       // fours of columns, the last perhaps not full
  units: u32,
  scales: u32,      // word at which scales begin
  tokens: u32,
  accumulate: u32,
  tokensAt: u32,    // word of the host data at which token ids begin
  gain: u32,        // bits of the float32 factor on all weights
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(${binding}) var<storage, read> w: array<${shader.element}>;
${shader.code}`;
}

/** Declares activations at `binding` and `x4(token, c4)`: four columns, zero behind the row's end. */
export function inputBinding(binding: number, cols: number): string {
  if (readsBy4(cols)) {
    return /* wgsl */ `
@group(0) @binding(${binding}) var<storage, read> x: array<vec4f>;
fn x4(token: u32, c4: u32) -> vec4f { return x[token * p.cols4 + c4]; }
`;
  }
  return /* wgsl */ `
@group(0) @binding(${binding}) var<storage, read> x: array<f32>;
fn x4(token: u32, c4: u32) -> vec4f {
  var values = vec4f();
  for (var i = 0u; i < 4u; i++) {
    if (c4 * 4u + i < p.cols) { values[i] = x[token * p.cols + c4 * 4u + i]; }
  }
  return values;
}
`;
}

function arguments_(count: number): string {
  return Array.from({ length: count }, (_, i) => `x${i}: vec4f`).join(', ');
}

function terms(count: number, term: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => term(i)).join(' + ');
}
