// Compares two files of log-probability rows (as llama-score.mjs --rows writes them): mean and largest KL divergence
// KL(A || B), mean absolute difference, and how often the most likely token agrees.
// node bench/peers/compare-rows.mjs A.f32 B.f32 --vocab N        (A is the reference)
import { readFileSync } from 'node:fs';
import { readArguments } from './arguments.mjs';

const { positional, option } = readArguments(process.argv.slice(2));
const vocab = Number(option('vocab'));
const [a, b] = positional.map((path) => {
  const bytes = readFileSync(path);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
});
if (!vocab || a.length !== b.length || a.length % vocab !== 0) {
  console.error(
    `compare-rows: two files of whole rows of --vocab are required, got ${a.length} and ${b.length} numbers.`,
  );
  process.exit(2);
}
const rows = a.length / vocab;
let klSum = 0;
let klMax = 0;
let agree = 0;
let absolute = 0;
for (let r = 0; r < rows; r++) {
  let kl = 0;
  let bestA = 0;
  let bestB = 0;
  const at = r * vocab;
  for (let i = 0; i < vocab; i++) {
    const p = a[at + i];
    const q = b[at + i];
    kl += Math.exp(p) * (p - q);
    absolute += Math.abs(p - q);
    if (p > a[at + bestA]) bestA = i;
    if (q > b[at + bestB]) bestB = i;
  }
  klSum += kl;
  klMax = Math.max(klMax, kl);
  if (bestA === bestB) agree++;
}
const meanAbsoluteDifference = absolute / a.length;
console.log(
  JSON.stringify({ rows, meanKl: klSum / rows, maxKl: klMax, meanAbsoluteDifference, sameTop: agree / rows }),
);
