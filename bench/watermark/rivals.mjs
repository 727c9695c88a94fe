// What the watermark of the package is compared with, on the same choices: the red-green list of Kirchenbauer et al. (2023), and the tournament read
// without a model, as SynthID-Text's simplest detector reads it. Both count coins, so that their p-values are exact too.
import { ByteContext, probabilitiesOf } from '../../dist/generate/watermark.js';

const DELTA = 2;
const ROUNDS = 30;

/** Adds 2 to the logits of the half of the tokens that the key paints green. Distorts: that is its price. */
export class RedGreenMarker {
  constructor(key, tokenizer) {
    Object.assign(this, { key, tokenizer, context: new ByteContext() });
  }

  choose(kept, temperature) {
    if (!this.context.isFull) return undefined;
    const tournament = this.key.tournament(this.context.bytes);
    const green = kept.map(({ token }) => coinsOf(tournament, token) & 1);
    const biased = kept.map(({ token, logit }, i) => ({ token, logit: logit + DELTA * green[i] }));
    const probabilities = probabilitiesOf(biased, temperature);
    let target = Math.random();
    for (const [i, probability] of probabilities.entries()) {
      target -= probability;
      if (target < 0) return kept[i].token;
    }
    return kept.at(-1).token;
  }

  accept(token) {
    if (!this.tokenizer.isSpecial(token)) this.context.push(this.tokenizer.bytesOf(token));
  }
}

/** Exact p-values of a text without a model: of green tokens, and of all coins of the tournament. */
export function modelFree(text, key, tokenizer) {
  const context = new ByteContext();
  const seen = new Set();
  let places = 0;
  let green = 0;
  let coins = 0;
  for (const token of tokenizer.encode(text)) {
    if (context.isFull) {
      const tournament = key.tournament(context.bytes);
      if (!seen.has(tournament.lastDraw)) {
        seen.add(tournament.lastDraw);
        places++;
        const value = coinsOf(tournament, token);
        green += value & 1;
        for (let i = 0; i < ROUNDS; i++) coins += (value >> i) & 1;
      }
    }
    if (!tokenizer.isSpecial(token)) context.push(tokenizer.bytesOf(token));
  }
  return { redGreen: binomialTail(places, green), coins: binomialTail(places * ROUNDS, coins) };
}

function coinsOf(tournament, token) {
  tournament.state.finish(token, tournament.value);
  return tournament.value[0];
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
