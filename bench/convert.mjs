// What `onebit convert` takes: peak memory, and its speed beside plain copying of the same file on the same disk, in turns: by the system, which need not bring the
// bytes into a program's memory (`cp`), and by reading and writing pieces of 4 MB (`dd`). Speeds are of the larger of input and output, until everything is on the disk.
//   node bench/convert.mjs MODEL.gguf FOLDER [--type q1_0] [--to gguf|hf|mlx] [--force] [--rounds 3] [--cold]
//   --cold: the input is read from the disk and not from the system's cache (Linux, as root)
//   (needs dist/ built; MODEL of the 8B shape: bench/models/synthetic.mjs OUT --size 8b --type q1_0)
import { spawn } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...{ type: { type: 'string' }, to: { type: 'string', default: 'gguf' }, force: { type: 'boolean' } },
    ...{ rounds: { type: 'string', default: '3' }, cold: { type: 'boolean' }, program: { type: 'string' } },
  },
});
const [model, folder] = positionals;
const program = values.program ?? fileURLToPath(new URL('../bin/onebit.js', import.meta.url));
const seconds = async (work) => {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
};
const sync = (path) => {
  const file = openSync(path, 'r+');
  fsyncSync(file);
  closeSync(file);
};
const move = (from, to) => {
  const [input, output] = [openSync(from, 'r'), openSync(to, 'w')];
  const piece = new Uint8Array(4 << 20);
  for (let size = readSync(input, piece); size > 0; size = readSync(input, piece)) writeSync(output, piece, 0, size);
  fsyncSync(output);
  for (const file of [input, output]) closeSync(file);
};
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const copy = join(folder, 'copy.gguf');
const out = join(folder, values.to === 'gguf' ? 'out.gguf' : 'out');
const weights = values.to === 'gguf' ? out : join(out, 'model.safetensors');
const flags = [
  ...(values.to === 'gguf' ? [] : ['--to', values.to]),
  ...(values.type ? ['--type', values.type] : []),
  ...(values.force ? ['--force'] : []),
];
// Memory that was just freed is quick to fill again, on virtual machines by far; after a pause each measurement begins with the same.
const remove = async () => {
  for (const path of [copy, out]) rmSync(path, { recursive: true, force: true });
  await new Promise((resolve) => setTimeout(resolve, 6000));
};

const forget = () => values.cold && writeFileSync('/proc/sys/vm/drop_caches', '3');

let peakBytes = 0;
let outBytes = 0;
const inBytes = statSync(model).size;
const [copies, moves, conversions] = [[], [], []];
for (let round = 0; round < Number(values.rounds); round++) {
  await remove();
  forget();
  const copySeconds = await seconds(() => {
    copyFileSync(model, copy);
    sync(copy);
  });
  copies.push(inBytes / copySeconds);
  await remove();
  forget();
  moves.push(inBytes / (await seconds(() => move(model, copy))));
  await remove();
  forget();
  const convertSeconds = await seconds(async () => {
    const args = [program, 'convert', model, '-o', out, ...flags];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const watch = setInterval(() => {
      try {
        const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
        peakBytes = Math.max(peakBytes, 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
      } catch {
        // it has ended
      }
    }, 100);
    const code = await new Promise((resolve) => child.on('close', resolve));
    clearInterval(watch);
    if (code !== 0) throw new Error(`convert: it ended with ${code}`);
    sync(weights);
  });
  outBytes = statSync(weights).size;
  conversions.push(Math.max(inBytes, outBytes) / convertSeconds);
}
await remove();
const megabytes = (bytes) => Math.round(bytes / 1e6);
const [copied, moved, converted] = [copies, moves, conversions].map(median);
const share = (of) => Math.round((100 * converted) / of) / 100;
console.log(
  JSON.stringify({
    ...{ type: values.type, to: values.to, cold: values.cold, inMB: megabytes(inBytes), outMB: megabytes(outBytes) },
    ...{ copyMBs: megabytes(copied), moveMBs: megabytes(moved), convertMBs: megabytes(converted) },
    ...{ share: share(copied), shareOfMoving: share(moved), peakMB: megabytes(peakBytes) },
  }),
);
