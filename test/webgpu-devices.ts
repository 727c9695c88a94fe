// Owns getting WebGPU for tests on machines without a GPU: SwiftShader, in Debian's Chromium and, with the package `webgpu`, in Node.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';
import { rolldown } from 'rolldown';
import { smallShaders } from '../scripts/minify-wgsl.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** Where Debian's chromium keeps the Vulkan loader and SwiftShader. */
const DRIVERS = '/usr/lib/chromium';
const root = fileURLToPath(new URL('..', import.meta.url));
const nodeHas = existsSync(join(root, 'node_modules/webgpu')) && existsSync(join(DRIVERS, 'vk_swiftshader_icd.json'));

/** For names of tests: why they are skipped, or nothing. */
export const missingIn = {
  chromium: existsSync(CHROMIUM) ? '' : ` (skipped: no browser at ${CHROMIUM}; set CHROMIUM)`,
  node: nodeHas ? '' : ` (skipped: the package webgpu or ${DRIVERS}/vk_swiftshader_icd.json is missing)`,
};

/** Somewhere to call functions of webgpu-cases.ts. */
export interface Device {
  /** Calls the exported function `name` with plain data. Files are named by `place`. */
  call<Result>(name: string, ...values: unknown[]): Promise<Result>;
  /** What the device calls the file at `path`. */
  place(path: string): string;
  close(): Promise<void>;
}

/** The bundle's files by name. In pieces, because what only Node can import must stay where a page does not load it. */
async function bundle(platform: 'browser' | 'node'): Promise<Record<string, string>> {
  const input = { cases: fileURLToPath(new URL('./webgpu-cases.ts', import.meta.url)) };
  // Pages get shaders as bundles for browsers have them, Node as they are written.
  const plugins = platform === 'browser' ? [smallShaders] : [];
  const built = await rolldown({ input, platform, plugins, external: [/^node:/, 'webgpu'], logLevel: 'silent' });
  const { output } = await built.generate({
    format: 'esm',
    entryFileNames: '[name].mjs',
    chunkFileNames: '[name].mjs',
  });
  await built.close();
  return Object.fromEntries(output.flatMap((chunk) => (chunk.type === 'chunk' ? [[chunk.fileName, chunk.code]] : [])));
}

/** A page in Chromium whose adapter is SwiftShader. */
export async function openChromium(files: Record<string, Uint8Array>): Promise<Device> {
  const scripts = await bundle('browser');
  const server = createServer((request, response) => {
    const name = request.url!.slice(1);
    if (name in files) response.end(files[name]);
    else if (name in scripts) response.setHeader('content-type', 'text/javascript').end(scripts[name]);
    else response.setHeader('content-type', 'text/html').end('<!doctype html><title>cases</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const browser: Browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
  });
  return {
    async call(name, ...values) {
      const page = await browser.newPage();
      try {
        await page.goto(origin);
        // As text: a test runner rewrites imports in functions.
        return await page.evaluate(
          `import('${origin}/cases.mjs').then((m) => m.${name}(...${JSON.stringify(values)}))`,
        );
      } finally {
        await page.close();
      }
    },
    place: (path) => `${origin}/${path.split('/').at(-1)}`,
    async close() {
      await browser.close();
      server.close();
    },
  };
}

/** A process of Node that finds the drivers: the loader looks for them only when it starts. */
export async function openNode(): Promise<Device> {
  // Inside the project, so that the package `webgpu` is found.
  const folder = mkdtempSync(join(root, 'node_modules/.webgpu-'));
  const file = join(folder, 'cases.mjs');
  for (const [name, code] of Object.entries(await bundle('node'))) writeFileSync(join(folder, name), code);
  return {
    async call(name, ...values) {
      const program = `import('${pathToFileURL(file)}').then((m) => m.${name}(...${JSON.stringify(values)}))
        .then((result) => process.stdout.write(JSON.stringify(result), () => process.exit(0)))`;
      const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], {
        maxBuffer: 1 << 26,
        env: {
          ...process.env,
          LD_LIBRARY_PATH: DRIVERS,
          VK_ICD_FILENAMES: join(DRIVERS, 'vk_swiftshader_icd.json'),
        },
      });
      return JSON.parse(stdout);
    },
    place: (path) => path,
    async close() {
      rmSync(folder, { recursive: true });
    },
  };
}
