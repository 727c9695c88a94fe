// Time to the first token of a chat of 100 words: on an idle server, and beside a batch that it works off itself. Medians, in turns.
//   node bench/jobs/first-token.mjs [--chats 25] [--rows 3000]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask, batchOf, begin, option, rowsOf, sleep, startServer } from './started.mjs';

const chats = option('chats', 25);
const folder = mkdtempSync(join(tmpdir(), 'onebit-first-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const { url } = await startServer(['--jobs', folder]);
let count = 0;

async function firstTokenMs() {
  const content = Array.from({ length: 100 }, (_, i) => `${i * 31 + count * 17}`.slice(-2)).join(' ');
  count++;
  const body = { messages: [{ role: 'user', content: `${count} ${content}` }], max_tokens: 4, stream: true };
  const began = performance.now();
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) });
  let ms;
  for await (const piece of answer.body) {
    if (ms === undefined && /"content":"[^"]/.test(new TextDecoder().decode(piece))) ms = performance.now() - began;
  }
  return ms ?? performance.now() - began;
}

const rows = rowsOf(option('rows', 3000), 'row', { max_tokens: 48 });
const times = { idle: [], beside: [] };
for (let i = 0; i < 3; i++) await firstTokenMs();
for (let round = 0; round < 5; round++) {
  for (let i = 0; i < chats / 5; i++) times.idle.push(await firstTokenMs());
  const id = await begin(url, rows);
  while ((await batchOf(url, id)).status !== 'in_progress') await sleep(20);
  await sleep(500);
  for (let i = 0; i < chats / 5; i++) {
    times.beside.push(await firstTokenMs());
    await sleep(20 + 13 * (i % 5)); // at any point of the batch's steps
  }
  if ((await batchOf(url, id)).status !== 'in_progress') throw new Error('the batch was over too early: more --rows');
  await ask(`${url}/v1/batches/${id}/cancel`, { method: 'POST' });
  while ((await batchOf(url, id)).status !== 'cancelled') await sleep(50);
}
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const round = (value) => Number(value.toFixed(2));
const [idle, beside] = [median(times.idle), median(times.beside)];
console.log(
  JSON.stringify({ what: 'first token', idleMs: round(idle), besideMs: round(beside), times: round(beside / idle) }),
);
process.exit(0);
