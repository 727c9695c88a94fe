// What the watermark of the package is compared with, on the same contexts: the red-green list of Kirchenbauer et al. (2023), and the package's own mark read without a
// model, as Aaronson reads it. Their p-values are exact too.
import { Contexts } from '../../dist/generate/watermark.js';

const DELTA = 2;

/** Adds 2 to the logits of the half of the tokens that the key paints green. Distorts: that is its price. */
export class RedGreenMarker {
  constructor(key, tokenizer) {
    Object.assign(this, { key, tokenizer, contexts: new Contexts() });
  }

  choose(kept, temperature) {
    const context = this.contexts.next();
    if (!context) return undefined;
    const race = this.key.race(context);
    const weights = kept.map(({ token, logit }) =>
      Math.exp((logit - kept[0].logit + DELTA * (race.bits(token) & 1)) / temperature),
    );
    let target = Math.random() * weights.reduce((sum, weight) => sum + weight, 0);
    for (const [i, weight] of weights.entries()) {
      target -= weight;
      if (target < 0) return kept[i].token;
    }
    return kept.at(-1).token;
  }

  accept(token) {
    if (!this.tokenizer.isSpecial(token)) this.contexts.push(this.tokenizer.bytesOf(token));
  }
}

/** Exact p-values of a text without a model: of green tokens, and of the sum of -log(1 - draw). */
export function modelFree(text, key, tokenizer) {
  const contexts = new Contexts();
  let places = 0;
  let green = 0;
  let sum = 0;
  for (const token of tokenizer.encode(text)) {
    const context = contexts.next();
    if (context) {
      places++;
      const bits = key.race(context).bits(token);
      green += bits & 1;
      sum -= Math.log(1 - (bits + 0.5) / 4294967296);
    }
    if (!tokenizer.isSpecial(token)) contexts.push(tokenizer.bytesOf(token));
  }
  return { redGreen: binomialTail(places, green), draws: gammaTail(places, sum) };
}

/** P(X >= k) of n fair coins. */
function binomialTail(n, k) {
  let log = -n * Math.LN2;
  let sum = 0;
  for (let i = 0; i <= n; i++) {
    if (i >= k) sum += Math.exp(log);
    log += Math.log((n - i) / (i + 1));
  }
  return Math.min(1, sum);
}

/** P(S >= sum) of n draws of the exponential distribution. */
function gammaTail(n, sum) {
  if (n === 0) return 1;
  let log = -sum;
  let total = 0;
  for (let k = 0; k < n; k++) {
    total += Math.exp(log);
    log += Math.log(sum / (k + 1));
  }
  return Math.min(1, total);
}
