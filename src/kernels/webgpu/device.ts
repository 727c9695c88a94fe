// Owns getting a WebGPU device: the page's `navigator.gpu`, or in Node the optional package `webgpu`. Must not know kernels.
import { OnebitError } from '../../errors.ts';
import { type GpuFeatures, tryFeatures } from './features.ts';

export interface WebGpuOptions {
  /** Where adapters come from. Default: `navigator.gpu`, else the package `webgpu`. */
  gpu?: GPU;
  /**
   * `q8` rounds activations to int8 in blocks of 16 before products with 1-, 2- and 8-bit weights, where the device has int8 dot
   * products; elsewhere, and by default, they stay float32.
   */
  activations?: 'f32' | 'q8';
  /** Features not to be used although the device has them. Default: none. */
  without?: readonly (keyof GpuFeatures)[];
  /** Most bytes of one binding, below what the device allows: larger weights are split. Default: what the device allows. */
  bindingBytes?: number;
}

export interface OpenedDevice {
  readonly device: GPUDevice;
  /** Must live as long as the device: collecting it ends the device in Node. */
  readonly gpu: GPU;
  /** Vendor, architecture and description of the adapter, as far as it tells. */
  readonly adapter: string;
  readonly bindingBytes: number;
  readonly features: GpuFeatures;
}

/** Limits worth raising to what the adapter has: larger weights in one piece, and parameters closer together. */
const wantedLimits = ['maxStorageBufferBindingSize', 'maxBufferSize', 'minUniformBufferOffsetAlignment'] as const;

/** Opens the device. Throws `unsupported` where there is no WebGPU or no adapter. */
export async function openDevice(options: WebGpuOptions): Promise<OpenedDevice> {
  const gpu = options.gpu ?? (await findGpu());
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    throw new OnebitError(
      'unsupported',
      `webgpuBackend: a GPU adapter is required, got none from this ${isNode() ? 'machine' : 'browser'}. Update its graphics drivers, or use backend 'wasm'.`,
    );
  }
  const requiredLimits: Record<string, number> = {};
  for (const name of wantedLimits) requiredLimits[name] = adapter.limits[name];
  const requiredFeatures: GPUFeatureName[] = adapter.features?.has('subgroups') ? ['subgroups'] : [];
  const device = await adapter.requestDevice({ label: 'onebit', requiredLimits, requiredFeatures });
  const features = { ...(await tryFeatures(gpu, device)) };
  for (const name of options.without ?? []) features[name] = false;
  const { vendor, architecture, description } = adapter.info;
  return {
    device,
    gpu,
    features,
    adapter: [vendor, architecture, description].filter(Boolean).join(' '),
    bindingBytes: Math.min(
      options.bindingBytes ?? Number.POSITIVE_INFINITY,
      device.limits.maxStorageBufferBindingSize,
      device.limits.maxBufferSize,
    ),
  };
}

function isNode(): boolean {
  return typeof process !== 'undefined' && process.versions?.node !== undefined;
}

async function findGpu(): Promise<GPU> {
  const inPage = typeof navigator === 'undefined' ? undefined : navigator.gpu;
  if (inPage) return inPage;
  if (!isNode()) {
    throw new OnebitError(
      'unsupported',
      `webgpuBackend: the browser must have WebGPU, and this one has no navigator.gpu (it needs https or localhost). Use backend 'wasm'.`,
    );
  }
  const name = ['web', 'gpu'].join(''); // no constant: bundlers for the browser would look for the package
  let found: { create(flags: string[]): GPU };
  try {
    found = await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
  } catch (cause) {
    throw new OnebitError(
      'unsupported',
      `webgpuBackend: WebGPU in Node needs the optional package 'webgpu', which did not load. Run 'npm install webgpu', or use backend 'wasm'.`,
      { cause },
    );
  }
  return found.create([]);
}
