// Texts to test: pieces of files that nobody marked, and edits of marked ones.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Random } from '../../dist/core/random.js';

/** So many pieces of about `tokens` tokens, none of which overlap, in an order that mixes files: as many of each as there are, taken evenly. */
export function piecesOf(files, count, tokens, tokenizer) {
  const kinds = files.map((file) => {
    const text = readFileSync(file, 'utf8').replace(/\s+/g, ' ');
    const sample = text.slice(text.length >> 1, (text.length >> 1) + 32_000);
    const characters = Math.round((tokens * sample.length) / tokenizer.encode(sample).length);
    return { kind: basename(file).replace(/\.\w+$/, ''), text, characters };
  });
  kinds.sort((a, b) => a.text.length / a.characters - b.text.length / b.characters);
  const pieces = [];
  for (const [k, { kind, text, characters }] of kinds.entries()) {
    const own = Math.min(
      Math.floor(text.length / characters),
      Math.round((count - pieces.length) / (kinds.length - k)),
    );
    const step = text.length / own;
    for (let i = 0; i < own; i++) {
      const from = Math.floor(i * step);
      pieces.push({ kind, text: text.slice(from, from + characters) });
    }
  }
  const order = Uint32Array.from(pieces, (_, i) => i);
  new Random(1).shuffle(order);
  return Array.from(order, (i) => pieces[i]);
}

/** `text` with a share of its words put in the place of others: `words` are what comes in. */
export function swapWords(text, share, words, seed) {
  const random = new Random(seed);
  const parts = text.split(/(\s+)/);
  const places = parts.flatMap((part, i) => (/\w/.test(part) ? [i] : []));
  const order = Uint32Array.from(places);
  random.shuffle(order);
  for (const i of order.slice(0, Math.round(places.length * share))) parts[i] = words[random.below(words.length)];
  return parts.join('');
}

/** `text` without a share of its words. */
export function dropWords(text, share, seed) {
  const random = new Random(seed);
  return text
    .split(/(?<=\s)/)
    .filter(() => random.uniform() >= share)
    .join('');
}
