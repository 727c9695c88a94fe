// Stops Redis for a minute (SIGSTOP: connections stay open and nobody answers) while batches run and others come: none that was accepted may be lost, none
// answered wrongly; what cannot be accepted must be told 503 with retry-after; people who chat meanwhile must be answered.
//   node bench/jobs/redis-away.mjs [--seconds 60] [--rows 200]
import { begin, check, option, rowsOf, sleep, startRedis, startServer, startWorker } from './started.mjs';

const seconds = option('seconds', 60);
const count = option('rows', 200);
const redis = await startRedis();
const server = await startServer(['--jobs', redis.url]);
await Promise.all([0, 1].map(() => startWorker(['--jobs', redis.url, '--lease', '5']).ready));
const { url } = server;
const post = (path, body) =>
  fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
const rows = rowsOf(count, 'before');
const sample = rowsOf(20, 'before');
const truth = [];
for (const { body } of sample)
  truth.push((await (await post('/v1/chat/completions', body)).json()).choices[0].message.content);
const accepted = [[await begin(url, rows), rows]];
await sleep(1000);
redis.signal('SIGSTOP');
const until = performance.now() + seconds * 1000;
let [refused, chats, slowestRefusalMs] = [0, 0, 0];
while (performance.now() < until) {
  const asked = performance.now();
  const answer = await post('/v1/batches', {
    input_file_id: 'file-x',
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  });
  if (answer.status !== 503 || !answer.headers.get('retry-after')) throw new Error(`refused with ${answer.status}`);
  slowestRefusalMs = Math.max(slowestRefusalMs, performance.now() - asked);
  refused++;
  const chat = await (await post('/v1/chat/completions', sample[0].body)).json();
  if (chat.choices[0].message.content !== truth[0]) throw new Error('a chat was answered wrongly');
  chats++;
  await sleep(500);
}
redis.signal('SIGCONT');
const more = rowsOf(50, 'after');
accepted.push([await begin(url, more), more]);
let wrong = 0;
for (const [id, wanted] of accepted) {
  const answers = await check(url, id, wanted);
  if (wanted === rows) wrong += truth.filter((text, i) => answers[i] !== text).length;
}
if (wrong > 0) throw new Error(`${wrong} rows were answered wrongly`);
const numbers = { seconds, refused, slowestRefusalMs: Math.round(slowestRefusalMs), chats, accepted: accepted.length };
console.log(JSON.stringify({ what: 'Redis stopped', ...numbers, rows: rows.length + more.length, lost: 0, wrong }));
process.exit(0);
