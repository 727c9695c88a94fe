// What `onebit convert` takes: peak memory, and its speed beside plain copying of the same file on the same disk.
//   node bench/convert.mjs MODEL.gguf FOLDER [--type q1_0] [--force]      (needs dist/ built; MODEL of the 8B shape: bench/models/synthetic.mjs --size 8b --type f16)
import { spawn } from 'node:child_process';
import { closeSync, copyFileSync, fsyncSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { type: { type: 'string', default: 'q1_0' }, force: { type: 'boolean' }, program: { type: 'string' } },
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
const [copy, out] = [join(folder, 'copy.gguf'), join(folder, 'out.gguf')];
for (const path of [copy, out]) rmSync(path, { force: true });

const copySeconds = await seconds(() => {
  copyFileSync(model, copy);
  sync(copy);
});
rmSync(copy);

let peakBytes = 0;
const convertSeconds = await seconds(async () => {
  const args = [program, 'convert', model, '-o', out, '--type', values.type, ...(values.force ? ['--force'] : [])];
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
  sync(out);
});
const { size } = statSync(model);
const megabytes = (bytes) => Math.round(bytes / 1e6);
console.log(
  JSON.stringify({
    inMB: megabytes(size),
    outMB: megabytes(statSync(out).size),
    type: values.type,
    copyMBs: megabytes(size / copySeconds),
    convertMBs: megabytes(size / convertSeconds),
    share: Math.round((100 * copySeconds) / convertSeconds) / 100,
    peakMB: megabytes(peakBytes),
  }),
);
rmSync(out);
