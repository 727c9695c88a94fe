// Owns adding up what the lanes of a workgroup hold. Must not know what it is.

/** How sums over a workgroup's lanes are written. */
export interface Reduction {
  /** Names the variant in a kernel's key. */
  readonly suffix: string;
  /** Stands before everything else. */
  readonly enable: string;
  /** Parameters of `main` beside `lane`, its index in the workgroup. */
  readonly parameters: string;
  /** Declares `total(r)`, good in every lane behind `code`. */
  readonly declarations: string;
  /** Adds up `own[r]` of all lanes, r < rows, in one order whatever the values are. */
  readonly code: string;
}

/**
 * Sums of `rows` values over `lanes` lanes: a tree in workgroup memory with log2(lanes) barriers, or, where subgroups exist, subgroups' own sums and one
 * barrier. Subgroups must consist of consecutive lanes, which ../features.ts has tried.
 */
export function laneSums(lanes: number, rows: number, subgroups: boolean): Reduction {
  return subgroups ? bySubgroups(lanes, rows) : byTree(lanes, rows);
}

function byTree(lanes: number, rows: number): Reduction {
  return {
    suffix: '',
    enable: '',
    parameters: '',
    declarations: /* wgsl */ `
var<workgroup> sums: array<f32, ${lanes * rows}>;
fn total(r: u32) -> f32 { return sums[r * ${lanes}u]; }`,
    code: /* wgsl */ `
  for (var r = 0u; r < ${rows}u; r++) { sums[r * ${lanes}u + lane] = own[r]; }
  workgroupBarrier();
  for (var half = ${lanes / 2}u; half > 0u; half >>= 1u) {
    if (lane < half) {
      for (var at = lane; at < ${lanes * rows}u; at += ${lanes}u) { sums[at] += sums[at + half]; }
    }
    workgroupBarrier();
  }`,
  };
}

/** WebGPU's smallest subgroup: https://www.w3.org/TR/webgpu/#dom-gpuadapterinfo-subgroupminsize. */
const SMALLEST_SUBGROUP = 4;

function bySubgroups(lanes: number, rows: number): Reduction {
  const most = lanes / SMALLEST_SUBGROUP;
  return {
    suffix: ' by subgroups',
    enable: 'enable subgroups;',
    parameters: '@builtin(subgroup_size) subgroupSize: u32, @builtin(subgroup_invocation_id) subgroupLane: u32,',
    declarations: /* wgsl */ `
var<workgroup> sums: array<f32, ${most * rows}>;
var<private> subgroups: u32;
fn total(r: u32) -> f32 {
  var all = 0.0;
  for (var i = 0u; i < subgroups; i++) { all += sums[r * ${most}u + i]; }
  return all;
}`,
    code: /* wgsl */ `
  subgroups = max(1u, ${lanes}u / subgroupSize);
  for (var r = 0u; r < ${rows}u; r++) {
    let sum = subgroupAdd(own[r]);
    if (subgroupLane == 0u) { sums[r * ${most}u + lane / subgroupSize] = sum; }
  }
  workgroupBarrier();`,
  };
}
