// Owns ranking logits on the device, so that a step reads back candidates and not the vocabulary. Must not know sampling.
//
// A workgroup of 256 takes 1,024 values, sorts them with their tokens (bitonic; with k = 1 a tree finds the best) and keeps k; the same kernel ranks the
// kept ones again until one list is left. 151,669 logits and k = 20: 149 workgroups, then 3, then 1. The first pass also gives each chunk's maximum and
// sum of exponentials, which `log-sum` joins. Ties go to the lower token.
import type { Kernel } from '../pipelines.ts';

/** Values that a workgroup ranks. */
export const RANK_CHUNK = 1024;
/** Lanes of a workgroup. */
export const LANES = 256;

/** A chunk's candidates in workgroup memory, and their order. */
export const candidates = /* wgsl */ `
var<workgroup> value: array<f32, ${RANK_CHUNK}>;
var<workgroup> token: array<u32, ${RANK_CHUNK}>;

fn better(a: u32, b: u32) -> bool {
  return value[a] > value[b] || (value[a] == value[b] && token[a] < token[b]);
}
fn swap(a: u32, b: u32) {
  let v = value[a]; value[a] = value[b]; value[b] = v;
  let t = token[a]; token[a] = token[b]; token[b] = t;
}`;

/** Loads a chunk's candidates by WGSL that sets `value[i]` and `token[i]`; places beyond the end lose against everything. */
export const loadCandidates = (set: string): string => /* wgsl */ `
  let first = group.x * ${RANK_CHUNK}u;
  let here = min(p.length - first, ${RANK_CHUNK}u);
  for (var i = lane; i < ${RANK_CHUNK}u; i += ${LANES}u) {
    value[i] = -3.4e38;
    token[i] = 0xffffffffu;
    if (i < here) { ${set} }
  }
  workgroupBarrier();`;

/** Sorts the RANK_CHUNK entries of `value` and `token`, the best first. */
export const sort = /* wgsl */ `
  for (var size = 2u; size <= ${RANK_CHUNK}u; size <<= 1u) {
    for (var stride = size >> 1u; stride > 0u; stride >>= 1u) {
      for (var j = lane; j < ${RANK_CHUNK / 2}u; j += ${LANES}u) {
        let a = 2u * j - (j & (stride - 1u));
        if (better(a + stride, a) == ((a & size) == 0u)) { swap(a, a + stride); }
      }
      workgroupBarrier();
    }
  }`;

const best = /* wgsl */ `
  for (var half = ${RANK_CHUNK / 2}u; half > 0u; half >>= 1u) {
    for (var j = lane; j < half; j += ${LANES}u) {
      if (better(j + half, j)) { swap(j, j + half); }
    }
    workgroupBarrier();
  }`;

const sumExponentials = /* wgsl */ `
  let largest = value[0];
  var sum = 0.0;
  for (var i = lane; i < here; i += ${LANES}u) { sum += exp(max(x[p.offset + first + i] - largest, -200.0)); }
  sums[lane] = sum;
  workgroupBarrier();
  for (var half = ${LANES / 2}u; half > 0u; half >>= 1u) {
    if (lane < half) { sums[lane] += sums[lane + half]; }
    workgroupBarrier();
  }
  if (lane == 0u) { chunkSums[group.x] = vec2f(largest, sums[0]); }`;

/** Lists of the k best (value's bits, token) of each chunk, from logits or from such lists. `groups` [chunks]. */
export function rankKernel(from: 'logits' | 'lists', k: number): Kernel {
  const logits = from === 'logits';
  return {
    key: `top-k of ${from}${k === 1 ? ', k = 1' : ''}`,
    access: logits ? 'wrw' : 'wr',
    code: () => /* wgsl */ `
struct Params { length: u32, k: u32, offset: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> lists: array<vec2u>;
@group(0) @binding(2) var<storage, read> x: array<${logits ? 'f32' : 'vec2u'}>;
${logits ? '@group(0) @binding(3) var<storage, read_write> chunkSums: array<vec2f>;' : ''}
${candidates}
${logits ? `var<workgroup> sums: array<f32, ${LANES}>;` : ''}

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  ${loadCandidates(logits ? 'value[i] = x[p.offset + first + i]; token[i] = first + i;' : 'let entry = x[first + i]; value[i] = bitcast<f32>(entry.x); token[i] = entry.y;')}
  ${k === 1 ? best : sort}
  // Only the last list can be shorter than k, so the lists follow each other without gaps.
  for (var i = lane; i < min(p.k, here); i += ${LANES}u) {
    lists[group.x * p.k + i] = vec2u(bitcast<u32>(value[i]), token[i]);
  }
  ${logits ? sumExponentials : ''}
}`,
  };
}

/** Joins the chunks' maxima and sums into the first. `groups` [1]. */
export const logSumKernel: Kernel = {
  key: 'log-sum',
  access: 'w',
  code: () => /* wgsl */ `
struct Params { chunks: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> chunkSums: array<vec2f>;
var<workgroup> parts: array<vec2f, 64>;

fn join(a: vec2f, b: vec2f) -> vec2f {
  let largest = max(a.x, b.x);
  let factors = exp(max(vec2f(a.x, b.x) - largest, vec2f(-200.0)));
  return vec2f(largest, a.y * factors.x + b.y * factors.y);
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = vec2f(-3.4e38, 0.0);
  for (var i = lane; i < p.chunks; i += 64u) { sum = join(sum, chunkSums[i]); }
  parts[lane] = sum;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half >>= 1u) {
    if (lane < half) { parts[lane] = join(parts[lane], parts[lane + half]); }
    workgroupBarrier();
  }
  if (lane == 0u) { chunkSums[0] = parts[0]; }
}`,
};
