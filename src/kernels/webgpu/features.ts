// Owns finding out what a device has beyond WebGPU's least: subgroups and packed int8 dot products. Must not know what uses them.
// A feature counts when a small program gives the known answer, not when it is announced: a driver's mistake must not become a wrong text.

export interface GpuFeatures {
  /** Sums over subgroups, which consist of consecutive lanes. */
  readonly subgroups: boolean;
  /** WGSL's `dot4I8Packed`. */
  readonly int8Dots: boolean;
}

/** Lanes of a program that tries a feature. */
const LANES = 64;

const head = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(${LANES})
fn main(@builtin(local_invocation_index) lane: u32`;

/** Each lane's place in its subgroup, the subgroup's size, and the sum of its lanes. */
const subgroupProgram = /* wgsl */ `enable subgroups;${head},
  @builtin(subgroup_size) size: u32, @builtin(subgroup_invocation_id) place: u32) {
  y[lane] = place | (size << 8u) | (u32(subgroupAdd(f32(lane))) << 16u);
}`;

function rightSubgroups(found: Uint32Array): boolean {
  return found.every((word, lane) => {
    const size = (word >> 8) & 0xff;
    const lanes = Math.min(size, LANES);
    const first = lane - (lane % lanes);
    const sum = (lanes * (2 * first + lanes - 1)) / 2;
    return size >= 4 && (size & (size - 1)) === 0 && (word & 0xff) === lane % lanes && word >>> 16 === sum;
  });
}

const int8Program = /* wgsl */ `${head}) {
  let first = pack4xI8(vec4i(-127, i32(lane), 5, -1));
  y[lane] = u32(dot4I8Packed(first, pack4xI8(vec4i(127, -3, i32(lane), 1))) + 20000);
}`;

const rightDots = (found: Uint32Array) => found.every((word, lane) => word === 20_000 - 127 * 127 + 2 * lane - 1);

/** Tries what `gpu` and `device` announce. Never throws. */
export async function tryFeatures(gpu: GPU, device: GPUDevice): Promise<GpuFeatures> {
  const int8 = gpu.wgslLanguageFeatures?.has('packed_4x8_integer_dot_product') ?? false;
  return {
    subgroups: (device.features?.has('subgroups') ?? false) && (await gives(device, subgroupProgram, rightSubgroups)),
    int8Dots: int8 && (await gives(device, int8Program, rightDots)),
  };
}

async function gives(device: GPUDevice, code: string, right: (found: Uint32Array) => boolean): Promise<boolean> {
  // GPUBufferUsage: STORAGE | COPY_SRC, then MAP_READ | COPY_DST.
  const memory = device.createBuffer({ size: 4 * LANES, usage: 128 | 4 });
  const copy = device.createBuffer({ size: 4 * LANES, usage: 1 | 8 });
  try {
    device.pushErrorScope('validation');
    const pipeline = device.createComputePipeline({
      layout: 'auto',
      compute: { module: device.createShaderModule({ code }) },
    });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    const entries = [{ binding: 0, resource: { buffer: memory } }];
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(1);
    pass.end();
    encoder.copyBufferToBuffer(memory, 0, copy, 0, 4 * LANES);
    device.queue.submit([encoder.finish()]);
    if (await device.popErrorScope()) return false;
    await copy.mapAsync(1);
    return right(new Uint32Array(copy.getMappedRange().slice(0)));
  } catch {
    return false;
  } finally {
    memory.destroy();
    copy.destroy();
  }
}
