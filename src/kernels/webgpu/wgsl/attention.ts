// Owns attention over the paged cache. Must not know how pages are handed out; their layout is kv.ts.
//
// A workgroup of 64 handles one query head of one row and walks its pages with a running maximum and sum (online softmax, arXiv 1805.02867), so that
// memory does not grow with the context: two lanes a position make the 32 scores of a page, then lanes take four elements of the values each, and as
// many slices of the page as lanes are left. Cache traffic: keys and values of a position once a query head. Numerics: float32 throughout.
import { KV_PAGE, type KvFormat } from '../../backend.ts';
import type { Kernel } from '../recorder.ts';
import { load4, vectorWords } from './kv.ts';

const LANES = 64;
/** A lane must hold four elements of the output at most. */
export const LARGEST_HEAD = 4 * LANES;

/** `groups` [heads, rows]. */
export function attentionKernel(format: KvFormat, headSize: number): Kernel {
  return {
    key: `attention ${format} ${headSize}`,
    access: 'wrrr',
    code: () => attention(format, headSize),
  };
}

function attention(format: KvFormat, headSize: number): string {
  const words = vectorWords(format, headSize);
  const fours = headSize / 4;
  const slices = Math.floor(LANES / fours);
  return /* wgsl */ `
struct Params { heads: u32, kvHeads: u32, count: u32, rowsAt: u32, scale: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<storage, read> q: array<vec4f>;
@group(0) @binding(3) var<storage, read> cache: array<u32>;
@group(0) @binding(4) var<storage, read> host: array<u32>;
var<workgroup> halves: array<f32, ${LANES}>;
var<workgroup> weights: array<f32, ${KV_PAGE}>;
var<workgroup> parts: array<vec4f, ${LANES}>;
${load4(format, headSize)}

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.y;
  let query = (row * p.heads + group.x) * ${fours}u;
  let kvHead = group.x / (p.heads / p.kvHeads);
  let length = host[p.rowsAt + p.count + row] + 1u;
  let table = host[p.rowsAt + 2u * p.count + row];
  let four = lane % ${fours}u;
  let slice = lane / ${fours}u;
  var largest = -3.0e38;
  var total = 0.0;
  var sums = vec4f();
  for (var first = 0u; first < length; first += ${KV_PAGE}u) {
    let keys = ((host[table + first / ${KV_PAGE}u] * 2u) * p.kvHeads + kvHead) * ${KV_PAGE * words}u;
    let values = keys + p.kvHeads * ${KV_PAGE * words}u;
    let here = min(length - first, ${KV_PAGE}u);
    var score = 0.0;
    if ((lane >> 1u) < here) {
      let key = keys + (lane >> 1u) * ${words}u;
      for (var i = lane & 1u; i < ${fours}u; i += 2u) { score += dot(q[query + i], load4(key, i)); }
    }
    halves[lane] = score;
    workgroupBarrier();
    let before = largest;
    for (var i = 0u; i < here; i++) { largest = max(largest, (halves[2u * i] + halves[2u * i + 1u]) * p.scale); }
    if (lane < ${KV_PAGE}u) {
      let all = (halves[2u * lane] + halves[2u * lane + 1u]) * p.scale;
      weights[lane] = select(0.0, exp(min(all - largest, 0.0)), lane < here);
    }
    workgroupBarrier();
    let kept = exp(max(before - largest, -100.0));
    total *= kept;
    sums *= kept;
    for (var i = 0u; i < here; i++) { total += weights[i]; }
    if (slice < ${slices}u) {
      for (var i = slice; i < here; i += ${slices}u) { sums += weights[i] * load4(values + i * ${words}u, four); }
    }
  }
  parts[lane] = sums;
  workgroupBarrier();
  if (lane < ${fours}u) {
    for (var i = 1u; i < ${slices}u; i++) { sums += parts[lane + i * ${fours}u]; }
    y[query + lane] = sums / total;
  }
}`;
}
