// A server with a key signs what models answer: whole answers in a header, streams of events in their last comment.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newSigningKey, PROVENANCE_HEADER, readSigningKey, type SigningKey, verifyAnswer } from '../../src/index.ts';
import { type StartedServer, startServer } from './started-server.ts';

let key: SigningKey;
let started: StartedServer;
beforeAll(async () => {
  key = await readSigningKey(await newSigningKey());
  started = await startServer({ signer: { key, digestOf: async () => 'c0ffee' } });
});
afterAll(() => started.stop());

const BODY = { prompt: 'hello', max_tokens: 8, seed: 1 };

test('a whole answer is signed with its model, and a changed byte is found', async () => {
  const response = await started.post('/v1/completions', BODY);
  const header = response.headers.get(PROVENANCE_HEADER)!;
  const body = new Uint8Array(await response.arrayBuffer());
  const verification = await verifyAnswer(body, header, [key.id]);
  expect(verification).toMatchObject({ state: 'signed', isTrusted: true });
  const { predicate } = verification.statement!;
  expect(predicate.model).toEqual({ name: 'tiny', sha256: 'c0ffee' });
  expect(predicate.request).toBe(response.headers.get('x-request-id'));
  body[body.length >> 1] ^= 1;
  expect(await verifyAnswer(body, header)).toMatchObject({ state: 'changed' });
});

test('a stream ends with its signature, and clients do not see it', async () => {
  const response = await started.post('/v1/completions', { ...BODY, stream: true });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const text = new TextDecoder().decode(bytes);
  expect(text).toMatch(/data: \[DONE\]\n\n: x-onebit-provenance: \S+\n\n$/);
  expect(await verifyAnswer(bytes, undefined, [key.id])).toMatchObject({ state: 'signed' });
});

test('refusals and pages are not signed', async () => {
  expect((await started.post('/v1/completions', { prompt: 7 })).headers.has(PROVENANCE_HEADER)).toBe(false);
  expect((await fetch(`${started.url}/health`)).headers.has(PROVENANCE_HEADER)).toBe(false);
});
