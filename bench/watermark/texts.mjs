// Texts to test: pieces of files that nobody marked, and edits of marked ones.
import { readFileSync } from 'node:fs';
import { Random } from '../../dist/core/random.js';

/** So many different pieces of about `characters` each, taken evenly from files. */
export function piecesOf(files, count, characters) {
  const texts = files.map((file) => readFileSync(file, 'utf8').replace(/\s+/g, ' '));
  const total = texts.reduce((sum, text) => sum + text.length, 0);
  const pieces = texts.flatMap((text) => {
    const own = Math.round((count * text.length) / total);
    const step = text.length / own;
    return Array.from({ length: own }, (_, i) => text.slice(Math.floor(i * step), Math.floor(i * step) + characters));
  });
  return [...new Set(pieces)].slice(0, count);
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
