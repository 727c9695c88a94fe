// Bits per byte of documents by llama.cpp, beside `onebit score --docs` on the same file: documents are separated by blank lines, each scored from its own
// start in windows of the model's context that overlap by half.
// node bench/peers/llama-documents.mjs MODEL FILE [--bytes 100000] [--threads 2]   (npm run build first)
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readArguments } from './arguments.mjs';
import { openLlama, scoreTokens } from './llama.mjs';

const { positional, option } = readArguments(process.argv.slice(2), []);
const [model, file] = positional;
if (!file) {
  console.error('llama-documents: a model and a text file are required. See the head of this file.');
  process.exit(2);
}
const most = Number(option('bytes', '100000'));
const documents = [];
let bytes = 0;
for (const text of readFileSync(file, 'utf8').split(/\n\s*\n/)) {
  const document = text.trim();
  if (document === '' || bytes >= most) continue;
  documents.push(document);
  bytes += Buffer.byteLength(document);
}

const context = 512;
const judge = await openLlama(model, {
  threads: Number(option('threads', '2')),
  contextSize: context,
  batchSize: context,
});
const { bos } = judge.model.tokens;
let nats = 0;
for (const document of documents) {
  const tokens = [bos, ...judge.tokenize(document)];
  let done = 0;
  for (let from = 0; done < tokens.length - 1; from += context / 2) {
    const window = await scoreTokens(judge, tokens.slice(from, from + context), undefined, context);
    for (const logprob of window.slice(done - from)) nats -= logprob;
    done = from + window.length;
  }
}
await judge.dispose();
const theirs = nats / Math.LN2 / bytes;

const program = fileURLToPath(new URL('../../bin/onebit.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onebit-documents-'));
writeFileSync(join(folder, 'documents.txt'), documents.join('\n\n'));
const args = [
  'score',
  '-m',
  model,
  '--docs',
  '--ctx',
  String(context),
  '--json',
  '--file',
  join(folder, 'documents.txt'),
];
const ours = JSON.parse(execFileSync(process.execPath, [program, ...args], { maxBuffer: 1 << 30 }));
rmSync(folder, { recursive: true });
console.log(
  JSON.stringify({
    documents: documents.length,
    bytes,
    llamaCpp: Number(theirs.toFixed(5)),
    onebit: Number(ours.bitsPerByte.toFixed(5)),
    difference: Number((ours.bitsPerByte / theirs - 1).toFixed(5)),
  }),
);
