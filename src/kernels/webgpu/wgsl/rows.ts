// Owns kernels that work on rows of activations: norm, rotation, SwiGLU, gathering. Must not know weights or the cache.
// An output that is also an input has a variant of its own, because WebGPU forbids to bind a buffer twice when one binding writes.
import type { GateActivation } from '../../backend.ts';
import type { Kernel } from '../pipelines.ts';
import { laneSums } from './reduce.ts';

/** out = x / rms(x) · scale; a workgroup of 64 per row. `groups` [rows, or as many as fit, the rest]. */
export function rmsNormKernel(inPlace: boolean, subgroups: boolean): Kernel {
  const sums = laneSums(64, 1, subgroups);
  return {
    key: `rms-norm${inPlace ? ' in place' : ''}${sums.suffix}`,
    access: inPlace ? 'wr' : 'wrr',
    code: () => /* wgsl */ `${sums.enable}
struct Params { rows: u32, cols: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
${inPlace ? '' : '@group(0) @binding(3) var<storage, read> x: array<f32>;'}
${sums.declarations}

@compute @workgroup_size(64)
fn main(
  ${sums.parameters}
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row >= p.rows) { return; }
  let start = row * p.cols;
  var own: array<f32, 1>;
  for (var i = lane; i < p.cols; i += 64u) { let v = ${inPlace ? 'y' : 'x'}[start + i]; own[0] += v * v; }
  ${sums.code}
  let inverse = 1.0 / sqrt(total(0u) / f32(p.cols) + p.eps);
  for (var i = lane; i < p.cols; i += 64u) { y[start + i] = ${inPlace ? 'y' : 'x'}[start + i] * inverse * scale[i]; }
}`,
  };
}

/**
 * Rotates heads in place by cosines and sines that the host computed in float64 (a GPU's own are not exact for large angles), a lane a pair.
 * `groups` [pairs of all heads / 64, rows].
 */
export const ropeKernel: Kernel = {
  key: 'rope',
  access: 'wr',
  code: () => /* wgsl */ `
struct Params { heads: u32, headSize: u32, pairs: u32, interleaved: u32, tableAt: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read> host: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.heads * p.pairs) { return; }
  let pair = id.x % p.pairs;
  let start = (id.y * p.heads + id.x / p.pairs) * p.headSize;
  let first = start + select(pair, 2u * pair, p.interleaved != 0u);
  let second = select(first + p.pairs, first + 1u, p.interleaved != 0u);
  let angle = p.tableAt + id.y * 2u * p.pairs + pair;
  let c = host[angle];
  let s = host[angle + p.pairs];
  let a = x[first];
  let b = x[second];
  x[first] = a * c - b * s;
  x[second] = a * s + b * c;
}`,
};

/** Of the gate g; shaders may assume that nothing overflows. */
const activations: Readonly<Record<GateActivation, string>> = {
  silu: 'g / (1.0 + exp(min(-g, 88.0)))',
  relu2: 'max(g, 0.0) * max(g, 0.0)',
  gelu: 'g / (1.0 + exp(min(-1.5957691 * g * (1.0 + 0.044715 * g * g), 88.0)))',
};

/** out = activation(gate) · up, a lane an element. `same` names the input that the output is. */
export function gatedKernel(same: 'none' | 'gate' | 'up', activation: GateActivation): Kernel {
  const inputs = (['gate', 'up'] as const).filter((name) => name !== same);
  const value = (name: 'gate' | 'up') => (name === same ? 'y[i]' : `${name}[i]`);
  return {
    key: `${activation} gate into ${same}`,
    access: `w${'r'.repeat(inputs.length)}`,
    code: () => /* wgsl */ `
struct Params { length: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
${inputs.map((name, i) => `@group(0) @binding(${i + 2}) var<storage, read> ${name}: array<f32>;`).join('\n')}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.x + group.y * groups.x) * 64u + lane;
  if (i >= p.length) { return; }
  let g = ${value('gate')};
  y[i] = ${activations[activation]} * ${value('up')};
}`,
  };
}

/** out (+)= factor · x, a lane an element; `inPlace`: x is the output. */
export function scaleKernel(inPlace: boolean): Kernel {
  return {
    key: `scale${inPlace ? ' in place' : ''}`,
    access: inPlace ? 'w' : 'wr',
    code: () => /* wgsl */ `
struct Params { length: u32, factor: f32, accumulate: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
${inPlace ? '' : '@group(0) @binding(2) var<storage, read> x: array<f32>;'}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.x + group.y * groups.x) * 64u + lane;
  if (i >= p.length) { return; }
  let scaled = p.factor * ${inPlace ? 'y' : 'x'}[i];
  y[i] = select(scaled, scaled + y[i], p.accumulate != 0u);
}`,
  };
}

/** out[i] = x[indices[i]]. `groups` [columns / 64, indices]. */
export const gatherRowsKernel: Kernel = {
  key: 'gather-rows',
  access: 'wrr',
  code: () => /* wgsl */ `
struct Params { cols: u32, indicesAt: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> host: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.cols) { return; }
  y[id.y * p.cols + id.x] = x[host[p.indicesAt + id.y] * p.cols + id.x];
}`,
};
