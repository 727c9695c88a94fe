// Owns the products with weights: matrix-vector for few rows, tiles for many. Must not know formats (weights.ts).
//
// `matvec`: a workgroup of 64 computes 4 or 8 outputs of one token; its lanes take units of columns in turn, each unit's activations are loaded once
// for all outputs; then the lanes are added up (reduce.ts). Workgroups of the same weights and different tokens lie next to each other, for the cache's sake.
// Occupancy: 2,048 outputs of Q1_0 make 256 workgroups, 16,384 lanes.
// `matmul`: a workgroup of 64 computes 32 tokens by 32 outputs; 32 columns at a time of both are expanded into 8 KB of workgroup memory; each lane keeps
// 4 × 4 sums. 64 tokens by 2,048 outputs make 128 workgroups.
// Numerics: float32 throughout. A row's sums have the same order whatever other rows the step has, as long as the same of the two kernels computes it.
import type { KernelFormatName } from '../../../quant/format.ts';
import type { Kernel } from '../pipelines.ts';
import { laneSums, type Reduction } from './reduce.ts';
import { inputBinding, readsBy4, weightBinding, weightShader } from './weights.ts';

const LANES = 64;
/** Tokens and outputs of a tile. */
export const TILE = 32;

/** End of a product whose lanes are added up: a lane an output. */
export const storeTotals = (rows: number): string => /* wgsl */ `
  if (lane < ${rows}u && row + lane < p.rows) {
    let at = token * p.allRows + p.firstRow + row + lane;
    let sum = total(lane);
    if (p.accumulate != 0u) { y[at] += sum; } else { y[at] = sum; }
  }`;

/** Beginning of a product in tiles: two lanes load a `line` of `token` and `row`, then each keeps 4 × 4 `sums` from `m` and `n` on. */
export const beginTile = /* wgsl */ `
@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let firstToken = group.x * ${TILE}u;
  let firstRow = (group.y + group.z * groups.y) * ${TILE}u;
  if (firstRow >= p.rows) { return; }
  let line = lane >> 1u;
  let token = min(firstToken + line, p.tokens - 1u);
  let row = min(firstRow + line, p.rows - 1u);
  let m = (lane & 7u) * 4u;
  let n = (lane >> 3u) * 4u;
  var sums: array<vec4f, 4>;`;

/** End of a product in tiles. */
export const storeTile = /* wgsl */ `
  for (var i = 0u; i < 16u; i++) {
    let outToken = firstToken + m + (i >> 2u);
    let outRow = firstRow + n + (i & 3u);
    if (outToken < p.tokens && outRow < p.rows) {
      let at = outToken * p.allRows + p.firstRow + outRow;
      let sum = sums[i >> 2u][i & 3u];
      if (p.accumulate != 0u) { y[at] += sum; } else { y[at] = sum; }
    }
  }`;

const suffix = (format: KernelFormatName, cols: number) => `${format}${readsBy4(cols) ? '' : ' by ones'}`;

/** out[token, row] for each token apart: `groups` [tokens, rows / groupRows]. */
export function matvecKernel(format: KernelFormatName, cols: number, subgroups: boolean): Kernel {
  const sums = laneSums(LANES, weightShader(format, cols).groupRows, subgroups);
  return {
    key: `matvec ${suffix(format, cols)}${sums.suffix}`,
    access: 'wrr',
    code: () => matvec(format, cols, sums),
  };
}

function matvec(format: KernelFormatName, cols: number, sums: Reduction): string {
  const shader = weightShader(format, cols);
  const fours = shader.unit / 4;
  const rows = shader.groupRows;
  const inputs = Array.from({ length: fours }, (_, i) => `x${i}`);
  return /* wgsl */ `${sums.enable}
${weightBinding(3, shader)}
${inputBinding(2, cols)}
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
${sums.declarations}

@compute @workgroup_size(${LANES})
fn main(
  ${sums.parameters}
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let token = group.x;
  let row = (group.y + group.z * groups.y) * ${rows}u;
  if (row >= p.rows) { return; }
  let last = p.rows - 1u;
  var own: array<f32, ${rows}>;
  for (var unit = lane; unit < p.units; unit += ${LANES}u) {
    ${inputs.map((x, i) => `let ${x} = x4(token, unit * ${fours}u + ${i}u);`).join('\n    ')}
    for (var r = 0u; r < ${rows}u; r++) { own[r] += unitDot(min(row + r, last), unit, ${inputs.join(', ')}); }
  }
  ${sums.code}
  ${storeTotals(rows)}
}`;
}

/** out[token, row] in tiles: `groups` [tokens / TILE, rows / TILE]. */
export function matmulKernel(format: KernelFormatName, cols: number): Kernel {
  return {
    key: `matmul ${suffix(format, cols)}`,
    access: 'wrr',
    code: () => matmul(format, cols),
  };
}

function matmul(format: KernelFormatName, cols: number): string {
  return /* wgsl */ `
${weightBinding(3, weightShader(format, cols))}
${inputBinding(2, cols)}
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
var<workgroup> xs: array<f32, ${TILE * TILE}>; // [column, token]
var<workgroup> ws: array<f32, ${TILE * TILE}>; // [column, row]

${beginTile}
  let firstFour = (lane & 1u) * 4u;
  for (var base = 0u; base < p.cols4; base += 8u) {
    for (var i = firstFour; i < firstFour + 4u; i++) {
      var a = vec4f();
      var b = vec4f();
      if (base + i < p.cols4) { a = x4(token, base + i); b = weight4(row, base + i); }
      for (var j = 0u; j < 4u; j++) {
        let at = (4u * i + j) * ${TILE}u + line;
        xs[at] = a[j];
        ws[at] = b[j];
      }
    }
    workgroupBarrier();
    for (var k = 0u; k < ${TILE * TILE}u; k += ${TILE}u) {
      let b = vec4f(ws[k + n], ws[k + n + 1u], ws[k + n + 2u], ws[k + n + 3u]);
      for (var i = 0u; i < 4u; i++) { sums[i] += xs[k + m + i] * b; }
    }
    workgroupBarrier();
  }
  ${storeTile}
}`;
}

/** out[token] = row tokens[token] of the weight, where this part has it: `groups` [fours of columns / 64, tokens]. */
export function embedKernel(format: KernelFormatName, cols: number): Kernel {
  return {
    key: `embed ${suffix(format, cols)}`,
    access: 'wrr',
    code: () => /* wgsl */ `
${weightBinding(3, weightShader(format, cols))}
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> host: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = host[p.tokensAt + id.y] - p.firstRow; // wraps to a large number below the part
  if (id.x >= p.cols4 || row >= p.rows) { return; }
  let values = weight4(row, id.x);
  for (var i = 0u; i < 4u; i++) {
    let col = id.x * 4u + i;
    if (col < p.cols) { y[id.y * p.cols + col] = values[i]; }
  }
}`,
  };
}
