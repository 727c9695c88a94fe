// Owns how keys and values lie in cache memory, storing them, and rotating stored keys. Reading them is attention.ts.
//
// One memory per layer: [page][key|value][kvHead][KV_PAGE tokens][vector]. A vector of headSize elements is, in words: f32: the elements; f16: two per word,
// within ±65504; q8: four int8 a word, then the scale max|x|/127, rounded to fp16 and kept as float32, because two vectors cannot share a word safely.
import { KV_PAGE, type KvFormat } from '../../backend.ts';
import type { Kernel } from '../pipelines.ts';

/** Lanes of a workgroup, which handles one vector. */
const LANES = 32;

/** 32-bit words of one vector. */
export function vectorWords(format: KvFormat, headSize: number): number {
  return format === 'f32' ? headSize : format === 'f16' ? headSize / 2 : headSize / 4 + 1;
}

/** Writes the workgroup's `v` to cache word `at` on. */
function encode(format: KvFormat, headSize: number): string {
  if (format === 'f32') {
    return `for (var i = lane; i < ${headSize}u; i += ${LANES}u) { cache[at + i] = bitcast<u32>(v[i]); }`;
  }
  if (format === 'f16') {
    return /* wgsl */ `for (var i = lane; i < ${headSize / 2}u; i += ${LANES}u) {
    cache[at + i] = pack2x16float(clamp(vec2f(v[2u * i], v[2u * i + 1u]), vec2f(-65504.0), vec2f(65504.0)));
  }`;
  }
  return /* wgsl */ `var largest = 0.0;
  for (var i = lane; i < ${headSize}u; i += ${LANES}u) { largest = max(largest, abs(v[i])); }
  maxima[lane] = largest;
  workgroupBarrier();
  for (var i = 0u; i < ${LANES}u; i++) { largest = max(largest, maxima[i]); }
  let scale = unpack2x16float(pack2x16float(vec2f(min(largest / 127.0, 65504.0)))).x;
  let inverse = select(0.0, 1.0 / scale, scale > 0.0);
  for (var i = lane; i < ${headSize / 4}u; i += ${LANES}u) {
    let steps = vec4f(v[4u * i], v[4u * i + 1u], v[4u * i + 2u], v[4u * i + 3u]) * inverse;
    let codes = bitcast<vec4u>(vec4i(clamp(round(steps), vec4f(-127.0), vec4f(127.0)))) & vec4u(255u);
    cache[at + i] = codes.x | (codes.y << 8u) | (codes.z << 16u) | (codes.w << 24u);
  }
  if (lane == 0u) { cache[at + ${headSize / 4}u] = bitcast<u32>(scale); }`;
}

/** `load4(at, i)`: elements 4i to 4i + 3 of the vector at word `at` of `cache`. */
export function load4(format: KvFormat, headSize: number): string {
  const body = {
    f32: /* wgsl */ `let w = at + 4u * i;
  return bitcast<vec4f>(vec4u(cache[w], cache[w + 1u], cache[w + 2u], cache[w + 3u]));`,
    f16: /* wgsl */ `let w = at + 2u * i;
  return vec4f(unpack2x16float(cache[w]), unpack2x16float(cache[w + 1u]));`,
    q8: /* wgsl */ `let codes = vec4i(bitcast<i32>(cache[at + i])) << vec4u(24u, 16u, 8u, 0u);
  return vec4f(codes >> vec4u(24u)) * bitcast<f32>(cache[at + ${headSize / 4}u]);`,
  }[format];
  return `fn load4(at: u32, i: u32) -> vec4f {\n  ${body}\n}`;
}

/** Stores keys and values at each row's position: `groups` [kvHeads, rows, key or value]. */
export function storeKvKernel(format: KvFormat, headSize: number): Kernel {
  const words = vectorWords(format, headSize);
  return {
    key: `store-kv ${format} ${headSize}`,
    access: 'wrrr',
    code: () => /* wgsl */ `
struct Params { kvHeads: u32, count: u32, rowsAt: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> cache: array<u32>;
@group(0) @binding(2) var<storage, read> keys: array<f32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> host: array<u32>;
var<workgroup> v: array<f32, ${headSize}>;
var<workgroup> maxima: array<f32, ${LANES}>;

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.y;
  let position = host[p.rowsAt + p.count + row];
  let page = host[host[p.rowsAt + 2u * p.count + row] + position / ${KV_PAGE}u];
  let part = page * 2u + group.z;
  let at = ((part * p.kvHeads + group.x) * ${KV_PAGE}u + position % ${KV_PAGE}u) * ${words}u;
  let start = (row * p.kvHeads + group.x) * ${headSize}u;
  for (var i = lane; i < ${headSize}u; i += ${LANES}u) {
    if (group.z == 0u) { v[i] = keys[start + i]; } else { v[i] = values[start + i]; }
  }
  workgroupBarrier();
  ${encode(format, headSize)}
}`,
  };
}

/** Rotates all keys of pages by one angle a pair: `groups` [KV_PAGE, kvHeads, pages]. */
export function shiftKeysKernel(format: KvFormat, headSize: number): Kernel {
  const words = vectorWords(format, headSize);
  return {
    key: `shift-keys ${format} ${headSize}`,
    access: 'wr',
    code: () => /* wgsl */ `
struct Params { kvHeads: u32, pairs: u32, interleaved: u32, pagesAt: u32, tableAt: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> cache: array<u32>;
@group(0) @binding(2) var<storage, read> host: array<u32>;
var<workgroup> v: array<f32, ${headSize}>;
var<workgroup> maxima: array<f32, ${LANES}>;
${load4(format, headSize)}

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let page = host[p.pagesAt + group.z];
  let at = ((page * 2u * p.kvHeads + group.y) * ${KV_PAGE}u + group.x) * ${words}u;
  for (var i = lane; i < ${headSize / 4}u; i += ${LANES}u) {
    let four = load4(at, i);
    v[4u * i] = four.x; v[4u * i + 1u] = four.y; v[4u * i + 2u] = four.z; v[4u * i + 3u] = four.w;
  }
  workgroupBarrier();
  for (var pair = lane; pair < p.pairs; pair += ${LANES}u) {
    let first = select(pair, 2u * pair, p.interleaved != 0u);
    let second = select(pair + p.pairs, first + 1u, p.interleaved != 0u);
    let c = bitcast<f32>(host[p.tableAt + pair]);
    let s = bitcast<f32>(host[p.tableAt + p.pairs + pair]);
    let a = v[first];
    let b = v[second];
    v[first] = a * c - b * s;
    v[second] = a * s + b * c;
  }
  workgroupBarrier();
  ${encode(format, headSize)}
}`,
  };
}

/** Copies words inside a layer's cache: `groups` [words / 64]. A kernel, because WebGPU's own copy wants two buffers. */
export const copyKernel: Kernel = {
  key: 'copy-kv',
  access: 'w',
  code: () => /* wgsl */ `
struct Params { source: u32, to: u32, words: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> cache: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < p.words) { cache[p.to + id.x] = cache[p.source + id.x]; }
}`,
};
