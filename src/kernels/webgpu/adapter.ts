// Owns telling a GPU from a processor that plays one. Must not know kernels.
// Source: https://www.w3.org/TR/webgpu/#gpuadapterinfo (isFallbackAdapter); names of the software drivers of Chromium, Mesa and Windows.

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b|software/i;

/** What tells a software adapter. */
export type AdapterTraits = Pick<GPUAdapterInfo, 'vendor' | 'architecture' | 'device' | 'description'> & {
  readonly isFallbackAdapter?: boolean;
};

/** Whether an adapter computes on the processor: it says so, or its driver is known to. */
export function isSoftware(info: AdapterTraits): boolean {
  if (info.isFallbackAdapter) return true;
  return SOFTWARE.test([info.vendor, info.architecture, info.device, info.description].join(' '));
}

/** Whether `gpu` has an adapter that is a real GPU. Never throws. */
export async function isRealGpu(gpu: GPU): Promise<boolean> {
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) return false;
    // Older browsers have the flag on the adapter itself.
    if ((adapter as unknown as { isFallbackAdapter?: boolean }).isFallbackAdapter) return false;
    return !isSoftware(adapter.info);
  } catch {
    return false;
  }
}
