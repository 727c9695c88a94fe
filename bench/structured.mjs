// What structured output costs: compiling everyday schemas, and masks along valid documents, cut into tokens as the model would write them.
// node bench/structured.mjs MODEL.gguf [--peer]      (needs dist/ built; --peer adds @mlc-ai/web-xgrammar in the same run)
import { fileSource } from '../dist/bytes/file-source.js';
import { readGguf } from '../dist/gguf/read.js';
import { compileSchema } from '../dist/structured/compile.js';
import { createTokenizer } from '../dist/tokenizer/tokenizer.js';
import { everydaySchemas } from '../test/structured/everyday-schemas.mjs';
import { loadXgrammar } from '../test/structured/xgrammar.mjs';
import { readArguments } from './peers/arguments.mjs';

const address = { name: 'Müller & Söhne', street: 'Hauptstraße 5', zip: '10115', city: 'Berlin', vat: 'DE123456789' };
const line = { article: 'Screws, 4 × 40 mm, galvanised', quantity: 200, price: 0.04, discount: null };
const documents = {
  person: { name: 'Ada Lovelace', age: 36, email: 'ada@example.org', tags: ['new', 'vip'], score: 0.97 },
  sentiment: {
    label: 'negative',
    confidence: 0.83,
    why: 'The parcel came three weeks late and the "gift" was broken.',
  },
  invoice: {
    ...{ id: 'INV-004217', date: '2025-03-14', due: '2025-04-14T12:00:00Z', customer: address, supplier: address },
    ...{ lines: [line, line, line], currency: 'EUR', paid: false },
  },
  tree: { value: 1, children: [{ value: 2, children: [{ value: 3 }] }, { value: 4 }] },
  shapes: [{ kind: 'circle', center: { x: 1.5, y: -2 }, radius: 3 }],
  settings: { theme: 'dark', fontSize: 14, 'line height': 1.5, author: 'jane' },
  translations: { de: 'Guten Tag', fr: 'Bonjour', ja: 'こんにちは' },
  zod: {
    ...{ email: 'ada@example.org', id: '123e4567-e89b-42d3-a456-426614174000', counts: { apples: 3 } },
    ...{ level: { low: 1, high: 2 }, page: 'https://example.org/a', even: 4 },
  },
  json: { any: ['thing', 1, true, null, { deep: { deeper: [[]] } }] },
};

const { positional, flag } = readArguments(process.argv.slice(2), ['peer']);
const source = await fileSource(positional[0]);
const { metadata } = await readGguf(source);
await source.close();
const tokenizer = createTokenizer(metadata);
const time = async (run) => {
  const began = performance.now();
  const result = await run();
  return [performance.now() - began, result];
};
const quantile = (list, share) =>
  list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))];
const report = (name, value) => console.log(JSON.stringify({ name, ...value }));

const [vocabularyMs] = await time(() => compileSchema({ const: 0 }, tokenizer));
report('first grammar of the vocabulary', { vocabulary: tokenizer.vocabularySize, ms: vocabularyMs });
// Let the compiler of JavaScript see the code once, as in a server that runs.
for (const schema of Object.values(everydaySchemas)) compileSchema(schema, tokenizer);
const peer = flag('peer') ? await createPeer() : undefined;

const all = { first: [], again: [], compile: [], peer: [], peerCompile: [] };
for (const [name, value] of Object.entries(documents)) {
  const schema = everydaySchemas[name];
  const [compileMs, grammar] = await time(() => compileSchema(schema, tokenizer));
  const tokens = tokenizer.encode(JSON.stringify(value));
  const first = maskTimes(grammar, tokens);
  const again = maskTimes(grammar, tokens);
  all.compile.push(compileMs);
  all.first.push(...first);
  all.again.push(...again);
  const row = {
    tokens: tokens.length,
    compileMs,
    firstMedianMs: quantile(first, 0.5),
    againMedianMs: quantile(again, 0.5),
  };
  if (peer) Object.assign(row, await peer(schema, tokens));
  report(name, row);
}
for (const [name, times] of Object.entries(all)) {
  if (times.length > 0)
    report(name, {
      median: quantile(times, 0.5),
      p90: quantile(times, 0.9),
      p99: quantile(times, 0.99),
      most: Math.max(...times),
    });
}
process.exit(0); // the peer's module keeps the process alive

function maskTimes(grammar, tokens) {
  const matcher = grammar.matcher();
  return Array.from(tokens, (token) => {
    const began = performance.now();
    matcher.mask();
    const ms = performance.now() - began;
    matcher.accept(token);
    return ms;
  });
}

async function createPeer() {
  const xgrammar = loadXgrammar();
  const texts = Array.from(
    { length: tokenizer.vocabularySize },
    (_, token) => metadata.get('tokenizer.ggml.tokens')[token],
  );
  const info = await xgrammar.TokenizerInfo.createTokenizerInfo(texts, 'byte_level', false, undefined, [tokenizer.eos]);
  const compiler = await xgrammar.GrammarCompiler.createGrammarCompiler(info, false);
  return async (schema, tokens) => {
    try {
      const [peerCompileMs, compiled] = await time(() => compiler.compileJSONSchema(JSON.stringify(schema), true));
      const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(compiled);
      const times = [];
      for (const token of tokens) {
        const [ms] = await time(() => matcher.getNextTokenBitmask());
        times.push(ms);
        if (!matcher.acceptToken(token)) return { peer: `refuses token ${times.length}` };
      }
      all.peer.push(...times);
      all.peerCompile.push(peerCompileMs);
      return { peerCompileMs, peerMedianMs: quantile(times, 0.5) };
    } catch (error) {
      return { peer: String(error).slice(0, 80) };
    }
  };
}
