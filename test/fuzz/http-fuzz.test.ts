// A short run of the HTTP fuzzer; longer ones: node test/fuzz/http-run.mjs --cases 100000 --seed 1 (after npm run build).
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { startServer, until } from '../server/started-server.ts';
import { fuzzHttp, markOf } from './http-fuzz.mjs';

const CASES = 200;
const SEED = 1;

test(`hostile requests (${CASES} cases, seed ${SEED}) are answered in the API’s form, and nothing is left behind`, async () => {
  const limits = { bodyBytes: 1 << 20, requestMs: 5000, stallMs: 1000 };
  const started = await startServer({ limits });
  const { findings, outcomes } = await fuzzHttp({ url: started.url, Random, cases: CASES, seed: SEED });
  expect(findings).toEqual([]);
  for (const outcome of [
    'valid: 200',
    'json: 200',
    'json: 400',
    'deep: 400',
    'schema: 400',
    'head: 400',
    'large: 413',
  ]) {
    expect(outcomes[outcome], outcome).toBeGreaterThan(0);
  }
  await until(() => started.model.stats().running === 0);
  expect(started.model.stats()).toMatchObject({ running: 0, waiting: 0, kvPagesUsed: 0 });
  expect(JSON.stringify(started.log)).not.toMatch(/mark\d+x/);
  await started.stop();
}, 300_000);

test('the fuzzer reports answers of another form, internal errors and texts of others', async () => {
  const answers: [number, string][] = [
    [400, '{"error":"no"}'],
    [500, '{"error":{"message":"","type":"","code":null,"param":null}}'],
    [200, JSON.stringify({ text: markOf(99_999) })],
  ];
  let asked = 0;
  const server = createServer((_, response) => {
    const [status, body] = answers[asked++ % answers.length];
    response.writeHead(status, { connection: 'close' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { findings } = await fuzzHttp({ url, Random, cases: 30, seed: SEED, together: 1 });
  const found = findings.map(({ what }) => what).join('\n');
  for (const what of [/not an error of the API/, /internal error/, /text of case 99999/]) expect(found).toMatch(what);
  server.close();
});
