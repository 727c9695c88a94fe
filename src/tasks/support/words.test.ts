import { expect, test } from 'vitest';
import { embeddedTrunk } from './trunk.ts';
import { evidenceHashes, likenessKey, wordHash, wordsOf } from './words.ts';

test('words are lower case, with currency and question marks, in any script', () => {
  expect(wordsOf('Where’s my CARD? It cost £5.')).toEqual(["where's", 'my', 'card', '?', 'it', 'cost', '£', '5']);
  expect(wordsOf('Où est ма́ма 荷物')).toEqual(['où', 'est', 'ма́ма', '荷物']);
  expect(wordsOf(' … ')).toEqual([]);
});

test('what nobody sees of a text changes nothing', () => {
  const plain = wordsOf("I don't want my refund in naïve euros");
  const disguised =
    'I don\u2019t\u00a0want\u202fmy re\u00adfu\u200bnd\ufe0f in\u200e nai\u0308ve\u2060 eu\u200dr\u0000os\ufeff';
  expect(wordsOf(disguised)).toEqual(plain);
  for (const apostrophe of '\u2018\u02bc\u00b4`\uff07') expect(wordsOf(`don${apostrophe}t`)).toEqual(["don't"]);
  expect(wordsOf(`a${'\u200b'.repeat(50_000)}b c`)).toEqual(['ab', 'c']);
  expect(wordsOf('a\nb\tc\u0085d')).toEqual(['a', 'b', 'c', 'd']);
});

test('hashes are those that the trunk was made with, and its senses are alike where words are', async () => {
  const { hashes, weights } = await embeddedTrunk();
  for (const word of ['card', 'refund', 'hotel', "don't", 'the']) expect(hashes).toContain(wordHash(word));
  expect(weights[hashes.indexOf(wordHash('the'))]).toBeLessThan(0.05);
  expect(weights[hashes.indexOf(wordHash('refund'))]).toBeGreaterThan(0.5);
});

test('related words have related vectors', async () => {
  const trunk = await embeddedTrunk();
  const likeness = (a: string, b: string) => {
    const [x, y] = [trunk.senseOf([a]).sense, trunk.senseOf([b]).sense];
    return x.reduce((sum, value, i) => sum + value * y[i], 0);
  };
  expect(likeness('cash', 'payment')).toBeGreaterThan(likeness('cash', 'forest') + 0.1);
  expect(likeness('currency', 'euro')).toBeGreaterThan(likeness('currency', 'rabbit') + 0.1);
});

test('evidence of one word: itself, its two edges, its pieces', () => {
  const { ofWords, ofPieces } = evidenceHashes(['ab']);
  expect(ofWords).toHaveLength(3);
  expect(ofPieces).toHaveLength(6); // of " ab ": two, three and four characters at each place
  expect(new Set([...ofWords, ...ofPieces]).size).toBe(9);
});

test('texts that differ in endings and numbers have the same likeness, others have not', () => {
  const key = likenessKey('Cancel my orders 12345, please!');
  for (const text of ['cancel my order 7 please', 'CANCELLED my order #99 pleas']) expect(likenessKey(text)).toBe(key);
  for (const text of ['cancel my account 7 please', 'cancel order 7', '']) expect(likenessKey(text)).not.toBe(key);
  expect(likenessKey('我想要取消我的订单')).not.toBe(likenessKey('我想要取回我的密码'));
});
