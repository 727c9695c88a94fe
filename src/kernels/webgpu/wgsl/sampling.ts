// Owns choosing a token on the device, so that a step reads back a token and not logits. Must not know where draws come from. Its plain meaning is
// kernels/sampling.ts.
//
// Few candidates are ranked by top-k.ts, and one lane goes through the list. For all candidates, chunks of 1,024 are sorted with their running sums;
// then a workgroup looks for borders in the order of all: a border is a value, and how many of the equal ones before it count. The sum of everything
// above a value is, a chunk, a binary search and a running sum, so 32 halvings of the value's bits find it: for top-k by count, for top-p by
// probability, for the draw by probability at the temperature. 151,669 logits: 149 workgroups, then 1.
import type { Kernel } from '../pipelines.ts';
import { candidates, LANES, loadCandidates, RANK_CHUNK, sort } from './top-k.ts';

/** Replaces the list's first token by the chosen one. `groups` [1]. */
export const drawKernel: Kernel = {
  key: 'draw',
  access: 'w',
  code: () => /* wgsl */ `
struct Params { count: u32, temperature: f32, topP: f32, minP: f32, uniform: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> list: array<vec2u>;

fn above(i: u32) -> f32 { return max(bitcast<f32>(list[i].x) - bitcast<f32>(list[0].x), -200.0); }

@compute @workgroup_size(1)
fn main() {
  var total = 0.0;
  for (var i = 0u; i < p.count; i++) { total += exp(above(i)); }
  var count = p.count;
  if (p.topP < 1.0) {
    var cumulative = 0.0;
    count = 0u;
    while (count < p.count && cumulative < p.topP * total) { cumulative += exp(above(count)); count++; }
    count = max(count, 1u);
  }
  if (p.minP > 0.0) {
    while (count > 1u && above(count - 1u) < log(p.minP)) { count--; }
  }
  var target_ = 0.0;
  for (var i = 0u; i < count; i++) { target_ += exp(max(above(i) / p.temperature, -200.0)); }
  target_ *= p.uniform;
  var chosen = count - 1u;
  for (var i = 0u; i < count; i++) {
    target_ -= exp(max(above(i) / p.temperature, -200.0));
    if (target_ < 0.0) { chosen = i; break; }
  }
  list[0].y = list[chosen].y;
}`,
};

/** Each chunk sorted, and the running sums of exponentials above the chunk's largest, as they are and at the temperature. `groups` [chunks]. */
export const sortKernel: Kernel = {
  key: 'sort chunks',
  access: 'wwr',
  code: () => /* wgsl */ `
struct Params { length: u32, inverse: f32, offset: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> sorted: array<vec2u>;
@group(0) @binding(2) var<storage, read_write> masses: array<vec2f>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
${candidates}
var<workgroup> sums: array<vec2f, ${LANES}>;

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  ${loadCandidates(/* wgsl */ `
      let v = x[p.offset + first + i];
      value[i] = select(v, 0.0, v == 0.0); // one zero, as keys are bits
      token[i] = first + i;`)}
  ${sort}
  var own = vec2f();
  for (var i = 4u * lane; i < min(4u * lane + 4u, here); i++) { own += mass(i); }
  sums[lane] = own;
  workgroupBarrier();
  for (var step = 1u; step < ${LANES}u; step <<= 1u) {
    var before = vec2f();
    if (lane >= step) { before = sums[lane - step]; }
    workgroupBarrier();
    sums[lane] += before;
    workgroupBarrier();
  }
  var running = vec2f();
  if (lane > 0u) { running = sums[lane - 1u]; }
  for (var i = 4u * lane; i < min(4u * lane + 4u, here); i++) {
    running += mass(i);
    sorted[first + i] = vec2u(bitcast<u32>(value[i]), token[i]);
    masses[first + i] = running;
  }
}
fn mass(i: u32) -> vec2f {
  let above = value[i] - value[0];
  return vec2f(exp(max(above, -200.0)), exp(max(above * p.inverse, -200.0)));
}`,
};

/** The chosen token, from sorted chunks. `groups` [1]. */
export const selectKernel: Kernel = {
  key: 'select',
  access: 'wrr',
  code: () => /* wgsl */ `
struct Params { length: u32, inverse: f32, topK: u32, topP: f32, minP: f32, uniform: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> chosen: array<u32>;
@group(0) @binding(2) var<storage, read> sorted: array<vec2u>;
@group(0) @binding(3) var<storage, read> masses: array<vec2f>;
var<workgroup> parts: array<vec3f, ${LANES}>;
var<workgroup> ties: array<u32, ${LANES}>;
var<private> lane: u32;
var<private> firstChunk: u32; // a lane's chunks follow each other, so that lanes are in order of tokens
var<private> endChunk: u32;
var<private> largest: f32;

/** Floats in an order of whole numbers, and back. */
fn keyOf(value: f32) -> u32 {
  let b = bitcast<u32>(value);
  return select(b | 0x80000000u, ~b, (b >> 31u) != 0u);
}
fn valueOf(key: u32) -> f32 { return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) != 0u)); }

/** How many of a chunk's entries have keys above \`key\`. */
fn countAbove(chunk: u32, key: u32) -> u32 {
  let first = chunk * ${RANK_CHUNK}u;
  var low = 0u;
  var high = min(p.length - first, ${RANK_CHUNK}u);
  while (low < high) {
    let middle = (low + high) >> 1u;
    if (keyOf(bitcast<f32>(sorted[first + middle].x)) > key) { low = middle + 1u; } else { high = middle; }
  }
  return low;
}
fn factors(value: f32) -> vec3f {
  let above = value - largest;
  return vec3f(exp(max(above, -200.0)), exp(max(above * p.inverse, -200.0)), 1.0);
}
/** What \`count\` entries of a key add; none where that is no number. */
fn sumOf(key: u32, count: f32) -> vec3f { return select(vec3f(), factors(valueOf(key)) * count, count > 0.0); }
/** Probability, probability at the temperature (both as multiples of the likeliest's) and number of all entries above \`key\`. */
fn sumAbove(key: u32) -> vec3f {
  var sum = vec3f();
  for (var chunk = firstChunk; chunk < endChunk; chunk++) {
    let count = countAbove(chunk, key);
    let first = chunk * ${RANK_CHUNK}u;
    if (count > 0u) {
      sum += vec3f(masses[first + count - 1u], f32(count)) * factors(bitcast<f32>(sorted[first].x));
    }
  }
  workgroupBarrier();
  parts[lane] = sum;
  workgroupBarrier();
  for (var half = ${LANES / 2}u; half > 0u; half >>= 1u) {
    if (lane < half) { parts[lane] += parts[lane + half]; }
    workgroupBarrier();
  }
  return parts[0];
}
/** The least key, from \`least\` on, above which at most \`most\` of sum \`kind\` lies. */
fn border(kind: u32, most: f32, least: u32) -> u32 {
  var low = least;
  var high = keyOf(largest);
  for (var i = 0u; i < 32u; i++) {
    let middle = low + ((high - low) >> 1u);
    let sum = sumAbove(middle);
    if (low < high) {
      if (sum[kind] <= most) { high = middle; } else { low = middle + 1u; }
    }
  }
  return high;
}
fn below(value: f32) -> f32 { return select(0.0, bitcast<f32>(bitcast<u32>(value) - 1u), value > 0.0); }

@compute @workgroup_size(${LANES})
fn main(@builtin(local_invocation_index) index: u32) {
  lane = index;
  let chunks = (p.length + ${RANK_CHUNK - 1}u) / ${RANK_CHUNK}u;
  let each = (chunks + ${LANES - 1}u) / ${LANES}u;
  firstChunk = min(lane * each, chunks);
  endChunk = min(firstChunk + each, chunks);
  var most = -3.4e38;
  for (var chunk = firstChunk; chunk < endChunk; chunk++) {
    most = max(most, bitcast<f32>(sorted[chunk * ${RANK_CHUNK}u].x));
  }
  parts[lane] = vec3f(most);
  workgroupBarrier();
  for (var half = ${LANES / 2}u; half > 0u; half >>= 1u) {
    if (lane < half) { parts[lane] = max(parts[lane], parts[lane + half]); }
    workgroupBarrier();
  }
  largest = parts[0].x;

  // What is kept: everything above the key \`cut\`, and the first \`equal\` entries of that key.
  var cut = 0u;
  var equal = 0.0;
  if (p.topK > 0u && p.topK < p.length) {
    cut = border(2u, f32(p.topK) - 0.5, 0u);
    equal = f32(p.topK) - sumAbove(cut).z;
  }
  if (p.topP < 1.0) {
    let wanted = p.topP * (sumAbove(cut) + sumOf(cut, equal)).x;
    let at = border(0u, below(wanted), cut);
    var count = max(1.0, ceil((wanted - sumAbove(at).x) / max(factors(valueOf(at)).x, 1.0e-37)));
    if (at == cut && equal > 0.0) { count = min(count, equal); }
    cut = at;
    equal = count;
  }
  if (p.minP > 0.0) {
    let least = keyOf(largest + log(p.minP));
    if (least > cut) { cut = least - 1u; equal = 0.0; }
  }

  let available = countTies(cut);
  equal = min(equal, available);
  let total = (sumAbove(cut) + sumOf(cut, equal)).y;
  let wanted = min(p.uniform * total, below(total));
  let at = border(1u, wanted, select(cut + 1u, cut, equal > 0.0));
  let found = countTies(at);
  let rest = wanted - sumAbove(at).y;
  let allowed = select(found, equal, at == cut && equal > 0.0);
  let place = u32(clamp(floor(rest / max(factors(valueOf(at)).y, 1.0e-37)), 0.0, allowed - 1.0));
  var before = 0u;
  for (var i = 0u; i < lane; i++) { before += ties[i]; }
  if (place >= before && place < before + ties[lane]) {
    var left = place - before;
    for (var chunk = firstChunk; chunk < endChunk; chunk++) {
      let first = countAbove(chunk, at);
      let here = countAbove(chunk, at - 1u) - first;
      if (left < here) { chosen[0] = sorted[chunk * ${RANK_CHUNK}u + first + left].y; break; }
      left -= here;
    }
  }
}
/** How many entries have the key; each lane's own in \`ties\`. */
fn countTies(key: u32) -> f32 {
  var own = 0u;
  for (var chunk = firstChunk; chunk < endChunk; chunk++) { own += countAbove(chunk, key - 1u) - countAbove(chunk, key); }
  workgroupBarrier();
  ties[lane] = own;
  workgroupBarrier();
  var all = 0u;
  for (var i = 0u; i < ${LANES}u; i++) { all += ties[i]; }
  return f32(all);
}`,
};
