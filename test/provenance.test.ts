import { expect, test } from 'vitest';
import { memorySource } from '../src/bytes/memory-source.ts';
import { hexOf, sha256 } from '../src/core/digest.ts';
import { Random } from '../src/core/random.ts';
import { planConversion } from '../src/gguf/convert.ts';
import { readGguf } from '../src/gguf/read.ts';
import { open, seal, statementOf } from '../src/provenance/envelope.ts';
import { modelDigest, signModel } from '../src/provenance/signed-model.ts';
import { newSigningKey, readSigningKey } from '../src/provenance/signing-keys.ts';
import {
  encodeHeader,
  sealAnswer,
  signFile,
  verifyAnswer,
  verifyBytes,
  verifyModel,
} from '../src/provenance/verify.ts';
import { tinyModel } from './tiny-model.ts';

const key = await readSigningKey(await newSigningKey());
const other = await readSigningKey(await newSigningKey());
const model = await tinyModel();

async function signed(bytes: Uint8Array, by = key): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  await signModel(memorySource(bytes), by, { name: 'tiny.gguf' }, (part) => void parts.push(part.slice()));
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const stateOf = async (bytes: Uint8Array, trusted?: string[]) =>
  (await verifyModel(memorySource(bytes), trusted)).state;
const file = await signed(model);

test('a signed model is a model with the same tensors, and says what was signed', async () => {
  const before = await readGguf(memorySource(model));
  const after = await readGguf(memorySource(file));
  expect(after.tensors.size).toBe(before.tensors.size);
  const added = after.dataOffsetBytes - before.dataOffsetBytes;
  expect(added % after.alignment).toBe(0);
  expect(file.subarray(after.dataOffsetBytes)).toEqual(model.subarray(before.dataOffsetBytes));
  const verification = await verifyModel(memorySource(file), [key.id]);
  expect(verification).toMatchObject({ state: 'signed', isTrusted: true, keyId: key.id });
  // The digest is that of the file before it was signed, by another implementation.
  expect(verification.statement!.subject[0]).toEqual({
    name: 'tiny.gguf',
    digest: { sha256: hexOf(await sha256(model.slice())) },
  });
  expect(await modelDigest(memorySource(file))).toBe(await modelDigest(memorySource(model)));
});

test('every changed byte of the head and of the signature is found, and many of the rest', async () => {
  const { dataOffsetBytes } = await readGguf(memorySource(file));
  const random = new Random(11);
  const head = Array.from({ length: 1600 }, (_, i) => i);
  const rest = Array.from({ length: 300 }, () => random.below(file.length));
  const edges = [dataOffsetBytes - 1, dataOffsetBytes, file.length - 1];
  for (const at of [...head.filter((i) => i % 7 === 0 || i < 80), ...rest, ...edges]) {
    const changed = file.slice();
    changed[at] ^= 1 << random.below(8);
    const state = await stateOf(changed);
    expect(['changed', 'bad-signature'], `byte ${at}`).toContain(state);
  }
  expect(await stateOf(file.slice(0, -1))).not.toBe('signed');
  expect(await stateOf(Uint8Array.of(...file, 0))).not.toBe('signed');
});

test('unsigned is told apart from badly signed and from signed by somebody else', async () => {
  expect(await stateOf(model)).toBe('unsigned');
  expect(await stateOf(file, [other.id])).toBe('other-key');
  expect(await stateOf(file, [other.id, key.id])).toBe('signed');
  expect((await verifyModel(memorySource(file))).isTrusted).toBeUndefined();
  // A version that nobody reads: of a signed file it is a change.
  for (const [bytes, state] of [
    [model, 'unsigned'],
    [file, 'bad-signature'],
  ] as const) {
    const future = bytes.slice();
    future[4] = 9;
    expect(await stateOf(future)).toBe(state);
  }
  await expect(verifyModel(memorySource(file), ['no id'])).rejects.toThrow(/ed25519:/);
});

test('a signature is replaced by another, and the model stays', async () => {
  const again = await signed(file, other);
  expect((await verifyModel(memorySource(again))).keyId).toBe(other.id);
  expect(await modelDigest(memorySource(again))).toBe(await modelDigest(memorySource(model)));
});

test('what is made of a signed model is unsigned', async () => {
  const source = memorySource(file);
  const { write } = await planConversion(source, await readGguf(source), { type: 'same' });
  const parts: Uint8Array[] = [];
  await write((part) => void parts.push(part.slice()));
  expect(await stateOf(Uint8Array.from(parts.flatMap((part) => [...part])))).toBe('unsigned');
});

test('a card: changed bytes of the text and of its signature are found', async () => {
  const card = new TextEncoder().encode('# tiny\n\nFor tests alone.\n');
  const envelope = await signFile(card, 'CARD.md', key);
  expect((await verifyBytes(card, envelope, [key.id])).state).toBe('signed');
  for (let i = 0; i < card.length; i++) {
    const changed = card.slice();
    changed[i] ^= 32;
    expect((await verifyBytes(changed, envelope)).state).toBe('changed');
  }
  for (let i = 0; i < envelope.length; i++) {
    const changed = envelope.slice(0, i) + (envelope[i] === 'A' ? 'B' : 'A') + envelope.slice(i + 1);
    expect((await verifyBytes(card, changed)).state, `character ${i}`).toBe('bad-signature');
  }
  expect((await verifyBytes(card, undefined)).state).toBe('unsigned');
  // Who makes a server answer with this text has no signature of the card.
  const answer = await sealAnswer(hexOf(await sha256(card)), { request: 'r', model: 'tiny' }, key);
  expect(await verifyBytes(card, answer, [key.id])).toMatchObject({
    state: 'bad-signature',
    reason: expect.stringContaining('answer'),
  });
});

test('answers: whole by their header, streams by their end', async () => {
  const body = new TextEncoder().encode('data: {"text":"hi"}\n\ndata: [DONE]\n\n');
  const digest = hexOf(await sha256(body.slice()));
  const header = encodeHeader(await sealAnswer(digest, { request: 'req-1', model: 'tiny', modelSha256: 'ab' }, key));
  expect(await verifyAnswer(body, header, [key.id])).toMatchObject({ state: 'signed' });
  const stream = new TextEncoder().encode(`${new TextDecoder().decode(body)}: x-onebit-provenance: ${header}\n\n`);
  expect(await verifyAnswer(stream, undefined)).toMatchObject({ state: 'signed' });
  for (let i = 0; i < stream.length; i++) {
    const changed = stream.slice();
    changed[i] ^= 1 << (i % 7);
    const { state } = await verifyAnswer(changed, undefined);
    expect(state, `byte ${i}`).toBe(i < body.length - 2 ? 'changed' : 'bad-signature');
  }
  expect(await verifyAnswer(body, undefined)).toMatchObject({ state: 'unsigned' });
  expect(await verifyAnswer(body, `${header.slice(0, -1)}!`)).toMatchObject({ state: 'bad-signature' });
});

test('an envelope is what DSSE and in-toto say, and other types are refused', async () => {
  const envelope = JSON.parse(await seal(statementOf({ name: 'a', sha256: '00' }, 'file', {}), key));
  expect(envelope.payloadType).toBe('application/vnd.in-toto+json');
  expect(JSON.parse(atob(envelope.payload))._type).toBe('https://in-toto.io/Statement/v1');
  await expect(open(JSON.stringify({ ...envelope, payloadType: 'text/plain' }))).rejects.toThrow(
    /signature must be whole/,
  );
  await expect(open('')).rejects.toThrow(/signature must be whole/);
});

test('only whole private keys are taken', async () => {
  const jwk = await newSigningKey();
  const { x } = await newSigningKey();
  for (const wrong of [{ ...jwk, d: undefined }, { ...jwk, x }, {}, null, 'key']) {
    await expect(readSigningKey(wrong)).rejects.toThrow(/private Ed25519 key/);
  }
});
