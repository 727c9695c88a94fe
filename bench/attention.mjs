// What attention over a long cache costs: one layer of the 1.7B shape (16 query heads, 8 key/value heads of 128), one token, 128 to 32,768 tokens cached.
// node bench/attention.mjs [--threads 2] [--runs 20]      (needs dist/ built)
import { KV_PAGE } from '../dist/kernels/backend.js';
import { wasmBackend } from '../dist/kernels/wasm/wasm-backend.js';
import { readArguments } from './peers/arguments.mjs';

const { option } = readArguments(process.argv.slice(2));
const threads = Number(option('threads') ?? 2);
const runs = Number(option('runs') ?? 20);
const [heads, kvHeads, headSize] = [16, 8, 128];
const LONGEST = 32768;
/** Attention operations in one program, so that starting the threads counts once, as in a model. */
const LAYERS = 28;

for (const format of ['f16', 'q8', 'f32']) {
  const backend = await wasmBackend({ threads });
  const pages = LONGEST / KV_PAGE;
  const pool = backend.kvPool({ layers: 1, kvHeads, headSize, pages, format });
  const q = backend.tensor(heads * headSize);
  const out = backend.tensor(heads * headSize);
  const k = backend.tensor(kvHeads * headSize);
  backend.write(
    k,
    Float32Array.from({ length: kvHeads * headSize }, (_, i) => Math.sin(i)),
  );
  backend.write(
    q,
    Float32Array.from({ length: heads * headSize }, (_, i) => Math.cos(i)),
  );
  const pageTable = Int32Array.from({ length: pages }, (_, i) => i);
  const rowAt = (position) => ({
    count: 1,
    tokens: Int32Array.of(0),
    positions: Int32Array.of(position),
    sequence: Int32Array.of(0),
    pageTables: [pageTable],
  });
  for (let position = 0; position < LONGEST; position++) {
    backend.setRows(rowAt(position));
    backend.storeKv(pool, 0, k, k);
    if (position % 1024 === 0) await backend.read(out, 0, 1);
  }
  for (let tokens = 128; tokens <= LONGEST; tokens *= 4) {
    const times = [];
    for (let run = 0; run < runs; run++) {
      const began = performance.now();
      backend.setRows(rowAt(tokens - 1));
      for (let layer = 0; layer < LAYERS; layer++) backend.attention(out, q, pool, 0, heads, 1 / Math.sqrt(headSize));
      await backend.read(out, 0, 1);
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    const bytes = (pool.pageBytes / KV_PAGE) * tokens * LAYERS;
    console.log(
      JSON.stringify({
        format,
        threads,
        tokens,
        layers: LAYERS,
        bestMs: times[0],
        medianMs: times[runs >> 1],
        gigabytesPerSecond: bytes / times[0] / 1e6,
      }),
    );
  }
  await backend.dispose();
}
