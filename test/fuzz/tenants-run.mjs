// Tries to read a secret of one key with another, by everything that a key can see: node test/fuzz/tenants-run.mjs [TOKENS] [SEED], a million tokens of
// traffic unless said otherwise. One server hears the rival alone; a second one hears the shop's traffic as well. Whatever the rival is told must be
// the same on both, and prompts that the shop has sent must take the rival as long as prompts that nobody has sent. Exit 1 where they differ.
import assert from 'node:assert';
import { load } from '../../dist/index.js';
import { OnebitServer } from '../../dist/server/app.js';
import { hashKey } from '../../dist/server/keys.js';

const traffic = Number(process.argv[2] ?? 1_000_000);
let state = Number(process.argv[3] ?? 1) >>> 0 || 1;
console.log(`${traffic} tokens of traffic, seed ${state}`);
/** A whole number below `n`. */
const below = (n) => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % n;
};

const PROMPT_TOKENS = 384;
const prompt = () => Array.from({ length: PROMPT_TOKENS }, () => 300 + below(1500));
const secrets = Array.from({ length: 120 }, prompt);
const others = Array.from({ length: 120 }, prompt);
const keys = await Promise.all(['shop', 'rival'].map(async (name) => ({ name, sha256: await hashKey(`${name}-key`) })));

async function start() {
  const model = await load(undefined, { threads: 1, kvTokens: 16_384 });
  const server = new OnebitServer(model, { keys });
  const call = async (key, path, body) => {
    const method = body ? 'POST' : 'GET';
    const headers = { authorization: `Bearer ${key}-key`, 'content-type': 'application/json' };
    const request = new Request(`http://localhost${path}`, { method, headers, body: body && JSON.stringify(body) });
    const answer = await server.fetch(request);
    return { status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text() };
  };
  return { call, end: () => server.drain(0).then(() => model.dispose()) };
}

const complete = (tokens) => ['/v1/completions', { prompt: tokens, max_tokens: 1, temperature: 0 }];
/** What names no tenant's doing: ids, moments and durations. */
const VOLATILE = /"(id|created|created_at|item_id)":("[^"]*"|\d+)|(\w*(seconds|_time)\w*(\{[^}]*\})? [\d.e+-]+)/g;
const told = ({ status, headers, text }) => {
  const { date, 'x-request-id': _id, ...rest } = headers;
  return { status, headers: rest, text: text.replace(VOLATILE, '') };
};

/** What the rival asks, with everything that is told. */
async function rivalSees(call) {
  const seen = [];
  for (const tokens of [secrets[0], secrets[0].slice(0, 200), others[0], secrets[1]]) {
    seen.push(told(await call('rival', ...complete(tokens))));
  }
  const chat = { messages: [{ role: 'user', content: 'The PIN is 4711.' }], max_tokens: 3, temperature: 0 };
  seen.push(told(await call('rival', '/v1/chat/completions', chat)));
  seen.push(told(await call('rival', '/v1/tokenize', { content: 'The PIN is' })));
  seen.push(told(await call('rival', '/v1/embeddings', { input: 'The PIN is 4711.' })));
  seen.push(
    told(await call('rival', '/v1/responses', { input: 'The PIN is 4711.', max_output_tokens: 2, temperature: 0 })),
  );
  for (const path of ['/v1/models', '/metrics', '/health']) seen.push(told(await call('rival', path)));
  return seen;
}

const quiet = await start();
const expected = await rivalSees(quiet.call);
await quiet.end();

const busy = await start();
let sent = 0;
while (sent < traffic) {
  // The secrets come last, so that the shop's cache holds as many of them as fit.
  const isEnd = sent + secrets.length * PROMPT_TOKENS >= traffic;
  const tokens = isEnd ? secrets[secrets.length - 1 - Math.floor((traffic - sent - 1) / PROMPT_TOKENS)] : prompt();
  assert.equal((await busy.call('shop', ...complete(tokens))).status, 200);
  sent += PROMPT_TOKENS;
}
const chat = { messages: [{ role: 'user', content: 'The PIN is 4711.' }], max_tokens: 3, temperature: 0 };
await busy.call('shop', '/v1/chat/completions', chat);
await busy.call('shop', '/v1/responses', { input: 'The PIN is 4711.', max_output_tokens: 2 });
const seen = await rivalSees(busy.call);
for (const [i, answer] of seen.entries())
  assert.equal(JSON.stringify(answer), JSON.stringify(expected[i]), `answer ${i}`);
console.log('all that the rival is told is the same with and without the shop');

// Newest secrets first: the shop's cache holds those. A prompt of each kind in turn, which of them first by chance.
const known = [];
const unknown = [];
for (let i = secrets.length - 1; i >= 2; i--) {
  const pair = [
    [secrets[i], known],
    [others[i], unknown],
  ];
  if (below(2)) pair.reverse();
  for (const [tokens, times] of pair) {
    const begun = performance.now();
    await busy.call('rival', ...complete(tokens));
    times.push(performance.now() - begun);
  }
}
// Control: the shop itself is faster with what it has sent just now, so that the measurement would see a leak.
const again = [];
for (let i = 0; i < 30; i++) {
  await busy.call('shop', ...complete(secrets[i]));
  const begun = performance.now();
  await busy.call('shop', ...complete(secrets[i]));
  again.push(performance.now() - begun);
}
await busy.end();

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
/** Mann-Whitney's U as standard deviations from what chance gives. */
function deviation(a, b) {
  const wins = a.reduce((sum, x) => sum + b.filter((y) => x < y).length, 0);
  return (wins - (a.length * b.length) / 2) / Math.sqrt((a.length * b.length * (a.length + b.length + 1)) / 12);
}
const [leak, control] = [deviation(known, unknown), deviation(again, unknown)];
const ms = (values) => median(values).toFixed(2);
console.log(
  `time of a prompt: sent by the shop before ${ms(known)} ms, by nobody ${ms(unknown)} ms (${leak.toFixed(2)} deviations of chance)`,
);
console.log(`control, by the shop itself before: ${ms(again)} ms (${control.toFixed(2)} deviations)`);
assert.ok(control > 5, 'the control must be told apart');
assert.ok(Math.abs(leak) < 3.3, 'the times must not be told apart');
