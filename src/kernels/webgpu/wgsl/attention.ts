// Owns attention over the paged cache. Must not know how pages are handed out; their layout is kv.ts.
//
// A workgroup of 64 handles query heads that share a key/value head, for one row and one chunk of positions, and walks its pages with a running maximum
// and sum (online softmax, arXiv 1805.02867), so that memory does not grow with the context: two lanes a position make the 32 scores of a page, then
// lanes take four elements of the values each, and as many slices of the page as lanes are left. Keys and values are read once for all its heads.
// Few rows at a long context are split (flash-decoding, Dao et al. 2023): a chunk of positions a workgroup gives a partial sum with its maximum, and
// `combine` joins them. Chunks lie at fixed positions and an empty one adds zero, so among split rows bits do not depend on the others' lengths.
// Numerics: float32.
import { KV_PAGE, type KvFormat } from '../../backend.ts';
import type { Kernel } from '../pipelines.ts';
import { load4, vectorWords } from './kv.ts';

const LANES = 64;
/** A lane must hold four elements of the output at most. */
export const LARGEST_HEAD = 4 * LANES;
/** Positions of a chunk: a partial result of f16 heads of 128 is then 1/63 of the keys and values it stands for. */
export const CHUNK_POSITIONS = 4 * KV_PAGE;
/** Workgroups that keep a GPU busy; with fewer rows and heads than that, positions are split. */
const ENOUGH_GROUPS = 256;
/** Vector-of-four accumulators of a lane, and bytes of queries in workgroup memory: what a workgroup's heads are limited by. */
const MOST_HEADS = 8;
const MOST_QUERY_BYTES = 8192;
/** Fours of positions in a page. */
const FOURS_OF_PAGE = KV_PAGE / 4;

/** Query heads of one workgroup: as many as share a key/value head, or an equal part of them. */
export function headsOfGroup(heads: number, kvHeads: number, headSize: number): number {
  const shared = heads / kvHeads;
  for (let parts = 1; ; parts++) {
    const count = shared / parts;
    if (shared % parts === 0 && count <= MOST_HEADS && (count * headSize * 4 <= MOST_QUERY_BYTES || count === 1)) {
      return count;
    }
  }
}

/** Chunks that `rows` rows of up to `length` positions are split into; 1 where heads and rows alone make enough workgroups. */
export function attentionChunks(rows: number, headGroups: number, length: number): number {
  return rows * headGroups < ENOUGH_GROUPS ? Math.ceil(length / CHUNK_POSITIONS) : 1;
}

/** Float32 elements of a partial result: the sums, the maximum, the sum of exponentials, two unused. */
export const partialElements = (headSize: number) => headSize + 4;

/** Attention of heads in groups of `group`: whole, or `split` into partial results. `groups` [heads / group, chunks, rows]. */
export function attentionKernel(format: KvFormat, headSize: number, group: number, split: boolean): Kernel {
  return {
    key: `attention ${format} ${headSize} x ${group}${split ? ' split' : ''}`,
    access: 'wrrr',
    code: () => attention(format, headSize, group, split),
  };
}

const wholeResult = (fours: number) => `y[(row * p.heads + firstHead + h) * ${fours}u + lane] = sum / total[h];`;
const partialResult = (fours: number) => /* wgsl */ `
      let at = ((row * p.heads + firstHead + h) * p.chunks + id.y) * ${fours + 1}u;
      y[at + lane] = sum;
      if (lane == 0u) { y[at + ${fours}u] = vec4f(largest[h], total[h], 0.0, 0.0); }`;

function attention(format: KvFormat, headSize: number, group: number, split: boolean): string {
  const words = vectorWords(format, headSize);
  const fours = headSize / 4;
  const slices = Math.floor(LANES / fours);
  return /* wgsl */ `
struct Params { heads: u32, kvHeads: u32, count: u32, rowsAt: u32, scale: f32, chunks: u32, window: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<storage, read> q: array<vec4f>;
@group(0) @binding(3) var<storage, read> cache: array<u32>;
@group(0) @binding(4) var<storage, read> host: array<u32>;
var<workgroup> queries: array<vec4f, ${group * fours}>;
var<workgroup> halves: array<f32, ${group * LANES}>; // [head, position, half of the elements]
var<workgroup> scores: array<vec4f, ${group * FOURS_OF_PAGE}>; // [head, position]
var<workgroup> weights: array<vec4f, ${group * FOURS_OF_PAGE}>;
var<workgroup> parts: array<vec4f, ${LANES}>;
${load4(format, headSize)}

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = id.z;
  let firstHead = id.x * ${group}u;
  let kvHead = firstHead / (p.heads / p.kvHeads);
  let length = host[p.rowsAt + p.count + row] + 1u;
  let begin = select(0u, length - p.window, p.window > 0u && length > p.window);
  let table = host[p.rowsAt + 2u * p.count + row];
  let four = lane % ${fours}u;
  let slice = lane / ${fours}u;
  for (var i = lane; i < ${group * fours}u; i += ${LANES}u) {
    queries[i] = q[(row * p.heads + firstHead) * ${fours}u + i];
  }
  workgroupBarrier();
  var largest: array<f32, ${group}>;
  var total: array<f32, ${group}>;
  var sums: array<vec4f, ${group}>;
  for (var h = 0u; h < ${group}u; h++) { largest[h] = -3.0e38; }
  let end = ${split ? `min(length, (id.y + 1u) * ${CHUNK_POSITIONS}u)` : 'length'};
  let page = begin / ${KV_PAGE}u * ${KV_PAGE}u;
  for (var first = ${split ? `max(page, id.y * ${CHUNK_POSITIONS}u)` : 'page'}; first < end; first += ${KV_PAGE}u) {
    let keys = ((host[table + first / ${KV_PAGE}u] * 2u) * p.kvHeads + kvHead) * ${KV_PAGE * words}u;
    let values = keys + p.kvHeads * ${KV_PAGE * words}u;
    let here = min(end - first, ${KV_PAGE}u);
    var score: array<f32, ${group}>;
    for (var h = 0u; h < ${group}u; h++) { score[h] = 0.0; } // Dawn on SwiftShader does not zero an array again in a loop
    if ((lane >> 1u) < here) {
      let key = keys + (lane >> 1u) * ${words}u;
      for (var i = lane & 1u; i < ${fours}u; i += 2u) {
        let k = load4(key, i);
        for (var h = 0u; h < ${group}u; h++) { score[h] += dot(queries[h * ${fours}u + i], k); }
      }
    }
    for (var h = 0u; h < ${group}u; h++) { halves[h * ${LANES}u + lane] = score[h]; }
    workgroupBarrier();
    if (lane < ${group * FOURS_OF_PAGE}u) {
      var all: vec4f;
      for (var i = 0u; i < 4u; i++) { all[i] = (halves[8u * lane + 2u * i] + halves[8u * lane + 2u * i + 1u]) * p.scale; }
      let position = vec4u(0u, 1u, 2u, 3u) + 4u * (lane % ${FOURS_OF_PAGE}u);
      scores[lane] = select(vec4f(-1.0e30), all, (position < vec4u(here)) & ((position + vec4u(first)) >= vec4u(begin)));
    }
    workgroupBarrier();
    var kept: array<f32, ${group}>;
    for (var h = 0u; h < ${group}u; h++) {
      var most = vec4f(largest[h]);
      for (var i = 0u; i < ${FOURS_OF_PAGE}u; i++) { most = max(most, scores[h * ${FOURS_OF_PAGE}u + i]); }
      let now = max(max(most.x, most.y), max(most.z, most.w));
      kept[h] = exp(max(largest[h] - now, -100.0));
      largest[h] = now;
      if (lane / ${FOURS_OF_PAGE}u == h) {
        let all = scores[lane];
        weights[lane] = select(vec4f(), exp(max(all - now, vec4f(-100.0))), all > vec4f(-1.0e30));
      }
    }
    workgroupBarrier();
    for (var h = 0u; h < ${group}u; h++) {
      var added = vec4f();
      for (var i = 0u; i < ${FOURS_OF_PAGE}u; i++) { added += weights[h * ${FOURS_OF_PAGE}u + i]; }
      total[h] = total[h] * kept[h] + dot(added, vec4f(1.0));
      sums[h] *= kept[h];
    }
    if (slice < ${slices}u) {
      for (var i = slice; i < here; i += ${slices}u) {
        let v = load4(values + i * ${words}u, four);
        for (var h = 0u; h < ${group}u; h++) { sums[h] += weights[h * ${FOURS_OF_PAGE}u + (i >> 2u)][i & 3u] * v; }
      }
    }
  }
  for (var h = 0u; h < ${group}u; h++) {
    parts[lane] = sums[h];
    workgroupBarrier();
    if (lane < ${fours}u) {
      var sum = parts[lane];
      for (var i = 1u; i < ${slices}u; i++) { sum += parts[lane + i * ${fours}u]; }
      ${split ? partialResult(fours) : wholeResult(fours)}
    }
    workgroupBarrier();
  }
}`;
}

/** Joins the partial results of a row's head: `groups` [heads, rows]. */
export function combineKernel(headSize: number): Kernel {
  const fours = headSize / 4;
  return {
    key: `combine ${headSize}`,
    access: 'wr',
    code: () => /* wgsl */ `
struct Params { heads: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<storage, read> partials: array<vec4f>;

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (lane >= ${fours}u) { return; }
  let head = id.y * p.heads + id.x;
  let first = head * p.chunks * ${fours + 1}u;
  var largest = -3.0e38;
  for (var i = 0u; i < p.chunks; i++) { largest = max(largest, partials[first + i * ${fours + 1}u + ${fours}u].x); }
  var total = 0.0;
  var sums = vec4f();
  for (var i = 0u; i < p.chunks; i++) {
    let at = first + i * ${fours + 1}u;
    let tail = partials[at + ${fours}u];
    let factor = exp(max(tail.x - largest, -100.0));
    total += tail.y * factor;
    sums += partials[at + lane] * factor;
  }
  y[head * ${fours}u + lane] = sums / total;
}`,
  };
}
