// Owns the choice of the compiled kernels and what is known about the platform: relaxed SIMD where it gives the right numbers, else the baseline.
// Knows Node only through process.getBuiltinModule, so that bundlers for browsers see no import.
import { OnebitError } from '../../errors.ts';

/** `relaxed` uses relaxed SIMD (fused multiply-add, faster look-ups), `simd` only what every engine with SIMD has. */
export type WasmBuild = 'simd' | 'relaxed';

/** What a thread's instance of the kernels exports; see assembly/index.ts. Addresses come back signed. */
export interface Kernels {
  init(control: number, thread: number, threads: number, canWait: number, spins: number): void;
  run(program: number): number;
  resume(): number;
  runAlone(program: number, end: number): void;
  work(): void;
  probe(): number;
}

export interface LoadedBuild {
  readonly build: WasmBuild;
  readonly module: WebAssembly.Module;
}

const modules = new Map<WasmBuild, Promise<WebAssembly.Module>>();

/** Compiles the build asked for, or the best that gives right numbers here. Throws `unsupported` where none does. */
export async function loadBuild(wanted?: WasmBuild): Promise<LoadedBuild> {
  const problems: unknown[] = [];
  for (const build of wanted ? [wanted] : (['relaxed', 'simd'] as const)) {
    try {
      const module = await compiled(build);
      if (answersAreRight(module)) return { build, module };
    } catch (problem) {
      problems.push(problem);
    }
  }
  throw new OnebitError(
    'unsupported',
    `wasm backend: ${wanted ?? 'any'} kernels need WebAssembly with threads and 128-bit SIMD${wanted === 'relaxed' ? ' and relaxed SIMD' : ''}, which this engine does not run correctly. Use a newer browser or Node 20.19 or later.`,
    { cause: problems.at(-1) },
  );
}

/** This thread's instance of the kernels over `memory`. */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  // Never used beyond the control block, so it may stay when memory grows.
  const words = new Int32Array(memory.buffer);
  const wait = (address: number, expected: number, milliseconds: number) => {
    Atomics.wait(words, address >>> 2, expected, milliseconds);
  };
  const notify = (address: number) => {
    Atomics.notify(words, address >>> 2);
  };
  return new WebAssembly.Instance(module, { env: { memory, wait, notify } }).exports as unknown as Kernels;
}

/** A module of Node, undefined elsewhere. */
export function nodeModule<T>(name: string): T | undefined {
  const process = (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }).process;
  return process?.getBuiltinModule?.(name) as T | undefined;
}

function compiled(build: WasmBuild): Promise<WebAssembly.Module> {
  let module = modules.get(build);
  if (!module) {
    module = compile(build);
    modules.set(build, module);
    module.catch(() => modules.delete(build));
  }
  return module;
}

async function compile(build: WasmBuild): Promise<WebAssembly.Module> {
  const { wasmBase64 } =
    build === 'simd' ? await import('./generated/simd.ts') : await import('./generated/relaxed.ts');
  const bytes = await bytesOf(wasmBase64);
  if (build === 'relaxed' && !WebAssembly.validate(bytes)) {
    // Node 20 knows the instructions behind a flag; newer versions refuse the flag and need none.
    nodeModule<typeof import('node:v8')>('node:v8')?.setFlagsFromString('--experimental-wasm-relaxed-simd');
  }
  return WebAssembly.compile(bytes);
}

/** The bytes of a program in base64, or at the address that a bundler put in its place when it made a file of it. */
async function bytesOf(program: string | URL): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof program === 'string') return Uint8Array.from(atob(program), (char) => char.charCodeAt(0));
  const response = await fetch(program);
  if (!response.ok)
    throw new OnebitError('network', `the kernels could not be fetched: ${response.status}. Try again.`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Runs the known answers often enough that an engine's optimising compiler takes part. */
function answersAreRight(module: WebAssembly.Module): boolean {
  const kernels = instantiate(module, new WebAssembly.Memory({ initial: 2, maximum: 65536, shared: true }));
  for (let i = 0; i < 300; i++) if (!kernels.probe()) return false;
  return true;
}
