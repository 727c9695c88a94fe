// Owns compiled shaders and their bindings, each made once. Must not know operations or when anything runs.

/** Most 32-bit parameters of a dispatch. */
export const PARAM_WORDS = 16;
/** GPUShaderStage.COMPUTE, which Node does not have as a global. */
const COMPUTE_STAGE = 4;

/** A compute shader with its bindings: binding 0 its parameters, then memories, `w` to be written and read, `r` only read. */
export interface Kernel {
  /** Names what is computed, and how: the same key is the same code. */
  readonly key: string;
  readonly access: string;
  code(): string;
}

/** Bytes on the device. */
export class Memory {
  readonly buffer: GPUBuffer;
  readonly id: number;
  readonly byteLength: number;
  /** How often it was written: the same number means the same contents. */
  writes = 0;
  /** Keys of the bind groups that hold it. */
  readonly groups = new Set<string>();

  constructor(buffer: GPUBuffer, id: number, byteLength: number) {
    this.buffer = buffer;
    this.id = id;
    this.byteLength = byteLength;
  }
}

/** Workgroups of one dimension that every device allows. */
const MOST_GROUPS = 65_535;
/** `groups` workgroups over two dimensions. */
export function spread(groups: number): readonly [number, number] {
  if (groups <= MOST_GROUPS) return [groups, 1];
  const second = Math.ceil(groups / MOST_GROUPS);
  return [Math.ceil(groups / second), second];
}

const floatScratch = new Float32Array(1);
const wordScratch = new Uint32Array(floatScratch.buffer);
/** The bits of a float32, as parameters go. */
export function bits(value: number): number {
  floatScratch[0] = value;
  return wordScratch[0];
}

interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

export class Pipelines {
  readonly #device: GPUDevice;
  readonly #params: Memory;
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #groups = new Map<string, GPUBindGroup>();

  /** @param params what dispatches' parameters lie in, at dynamic offsets */
  constructor(device: GPUDevice, params: Memory) {
    this.#device = device;
    this.#params = params;
  }

  /** What a dispatch of `kernel` on `memories` sets. */
  bind(kernel: Kernel, memories: readonly Memory[]): { pipeline: GPUComputePipeline; group: GPUBindGroup } {
    const { pipeline, layout } = this.#pipelineOf(kernel);
    return { pipeline, group: this.#groupOf(kernel, layout, memories) };
  }

  /** Forgets bindings of a memory that is given back. */
  forget(memory: Memory): void {
    for (const key of memory.groups) this.#groups.delete(key);
  }

  clear(): void {
    this.#groups.clear();
    this.#pipelines.clear();
    this.#layouts.clear();
  }

  #pipelineOf(kernel: Kernel): Pipeline {
    let found = this.#pipelines.get(kernel.key);
    if (!found) {
      const layout = this.#layoutOf(kernel.access);
      const pipeline = this.#device.createComputePipeline({
        label: kernel.key,
        layout: this.#device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module: this.#device.createShaderModule({ label: kernel.key, code: kernel.code() }) },
      });
      found = { pipeline, layout };
      this.#pipelines.set(kernel.key, found);
    }
    return found;
  }

  #layoutOf(access: string): GPUBindGroupLayout {
    let layout = this.#layouts.get(access);
    if (!layout) {
      const params: GPUBindGroupLayoutEntry = {
        binding: 0,
        visibility: COMPUTE_STAGE,
        buffer: { type: 'uniform', hasDynamicOffset: true, minBindingSize: PARAM_WORDS * 4 },
      };
      const memories = Array.from(access, (letter, i): GPUBindGroupLayoutEntry => {
        const type = letter === 'w' ? 'storage' : 'read-only-storage';
        return { binding: i + 1, visibility: COMPUTE_STAGE, buffer: { type } };
      });
      layout = this.#device.createBindGroupLayout({ entries: [params, ...memories] });
      this.#layouts.set(access, layout);
    }
    return layout;
  }

  #groupOf(kernel: Kernel, layout: GPUBindGroupLayout, memories: readonly Memory[]): GPUBindGroup {
    let key = kernel.access;
    for (const memory of memories) key += ` ${memory.id}`;
    let group = this.#groups.get(key);
    if (!group) {
      const entries: GPUBindGroupEntry[] = memories.map(({ buffer }, i) => ({ binding: i + 1, resource: { buffer } }));
      entries.push({ binding: 0, resource: { buffer: this.#params.buffer, size: PARAM_WORDS * 4 } });
      group = this.#device.createBindGroup({ layout, entries });
      this.#groups.set(key, group);
      for (const memory of memories) memory.groups.add(key);
    }
    return group;
  }
}
