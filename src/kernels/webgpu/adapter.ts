// Owns telling a GPU from a processor that plays one. Must not know kernels.
// Source: https://www.w3.org/TR/webgpu/#gpuadapterinfo (isFallbackAdapter); names of the software drivers of Chromium, Mesa and Windows.

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b|software/i;

/** What tells a software adapter. */
export interface AdapterTraits {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter?: boolean;
}

/** What is asked of `navigator.gpu`: written out, because older TypeScript does not know WebGPU. */
export interface GpuEntry {
  requestAdapter(options: {
    powerPreference: 'high-performance';
  }): Promise<{ readonly info: AdapterTraits; readonly isFallbackAdapter?: boolean } | null>;
}

/** Whether an adapter computes on the processor: it says so, or its driver is known to. */
export function isSoftware(info: AdapterTraits): boolean {
  if (info.isFallbackAdapter) return true;
  return SOFTWARE.test([info.vendor, info.architecture, info.device, info.description].join(' '));
}

/** Whether `gpu` (a page's `navigator.gpu`) has an adapter that is a real GPU. Never throws. */
export async function isRealGpu(gpu: GpuEntry): Promise<boolean> {
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    // Older browsers have the flag on the adapter itself.
    return adapter !== null && !adapter.isFallbackAdapter && !isSoftware(adapter.info);
  } catch {
    return false;
  }
}
