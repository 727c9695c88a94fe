// Measures the watermark on a model: how many marked texts are found after what, how many unmarked ones are taken for marked, what it costs in quality.
//   node bench/watermark/measure.mjs --model ../shared/models/stories260K.gguf --prompt "Once upon a time" --temperature 0.7 --texts 300
//   node bench/watermark/measure.mjs --model models/seedling.gguf --unmarked 10000 --files a.txt,b.txt
import { parseArgs } from 'node:util';
import { exactPValue } from '../../dist/evaluate/exact-sum.js';
import { placesOf } from '../../dist/evaluate/places.js';
import { drawsOf, guessSampling } from '../../dist/evaluate/watermark.js';
import { Marker, WatermarkKey } from '../../dist/generate/watermark.js';
import { load } from '../../dist/index.js';
import { modelFree, RedGreenMarker } from './rivals.mjs';
import { dropWords, piecesOf, swapWords } from './texts.mjs';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: 'models/seedling.gguf' },
    prompt: { type: 'string', default: '' },
    chat: { type: 'boolean', default: false },
    temperature: { type: 'string', default: '0.7' },
    'top-p': { type: 'string' },
    'top-k': { type: 'string' },
    texts: { type: 'string', default: '300' },
    tokens: { type: 'string', default: '200' },
    unmarked: { type: 'string', default: '0' },
    files: { type: 'string', default: '' },
    from: { type: 'string', default: '0' },
    to: { type: 'string' },
    keys: { type: 'string', default: '3' },
    'red-green': { type: 'boolean', default: false },
    quality: { type: 'boolean', default: true },
    edits: { type: 'string' },
  },
});
const model = await load(flags.model, { threads: 1, parallel: 16 });
const numberOf = (text) => (text === undefined ? undefined : Number(text));
const tokens = Number(flags.tokens);
const sampling = {
  temperature: Number(flags.temperature),
  topP: numberOf(flags['top-p']),
  topK: numberOf(flags['top-k']),
};
const ALPHA = 1e-3;
const QUESTIONS = [
  'I want to book a table.',
  'I need a hotel in London.',
  'Can you get me a taxi?',
  'Find me an Italian restaurant.',
  'Please book a room for two nights.',
];

if (Number(flags.unmarked) > 0) await measureUnmarked();
else await measureMarked();
await model.dispose();

/** How many texts that were never marked are taken for marked, of each file: each with several keys. */
async function measureUnmarked() {
  const files = flags.files.split(',');
  const texts = piecesOf(files, Number(flags.unmarked), tokens, model.tokenizer);
  const bounds = [0.05, 0.01, ALPHA, 1e-4];
  const found = new Map(
    ['all', ...new Set(texts.map(({ kind }) => kind))].map((kind) => [kind, { tests: 0, below: bounds.map(() => 0) }]),
  );
  const print = (until) => {
    for (const [kind, { tests, below }] of found) {
      const interval = tests === 0 ? [] : intervalOf(below[2], tests).map((bound) => +bound.toPrecision(3));
      console.log(
        JSON.stringify({
          model: flags.model,
          tokens,
          from: Number(flags.from),
          until,
          kind,
          tests,
          bounds,
          below,
          interval,
        }),
      );
    }
  };
  const to = Math.min(texts.length, Number(flags.to ?? texts.length));
  for (let i = Number(flags.from); i < to; i++) {
    const { kind, text } = texts[i];
    const places = await placesOf(text, model.reader());
    const { logLikelihood: _, ...sampling } = guessSampling(places);
    for (let k = 0; k < Number(flags.keys); k++) {
      // What `detect` gives, without the p-values of parts of the text.
      const pValue = exactPValue(drawsOf(places, new WatermarkKey(`unmarked ${i} ${k}`), model.tokenizer, sampling));
      for (const row of [found.get('all'), found.get(kind)]) {
        row.tests++;
        for (const [b, bound] of bounds.entries()) row.below[b] += pValue <= bound;
      }
    }
    if ((i + 1) % 500 === 0 || i + 1 === to) print(i + 1);
  }
}

/** The interval of a share that holds it in 95 of 100 measurements (Wilson's). */
function intervalOf(count, of) {
  const z = 1.96;
  const middle = (count + (z * z) / 2) / (of + z * z);
  const half = (z / (of + z * z)) * Math.sqrt((count * (of - count)) / of + (z * z) / 4);
  return [middle - half, middle + half];
}

/** Texts of one kind, made side by side. */
async function generateTexts(keyOf) {
  const results = [];
  const next = { i: 0 };
  const work = async () => {
    for (let i = next.i++; i < Number(flags.texts); i = next.i++) {
      const options = {
        ...sampling,
        maxTokens: tokens,
        ignoreEndOfText: true,
        seed: i + (keyOf(i) ? 0 : 1e6),
        watermark: keyOf(i),
      };
      const generation = flags.chat
        ? model.chat([{ role: 'user', content: flags.prompt || QUESTIONS[i % QUESTIONS.length] }], options)
        : model.generate(flags.prompt, options);
      results[i] = await generation.result();
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
  return results;
}

async function measureMarked() {
  const keyOf = (i) => `bench key ${i}`;
  const row = {
    model: flags.model,
    prompt: flags.prompt,
    chat: flags.chat,
    ...sampling,
    texts: Number(flags.texts),
    tokens,
  };
  const marked = await generateTexts(keyOf);
  const plain = flags.quality ? await generateTexts(() => undefined) : [];
  const words = marked.flatMap(({ text }) => text.split(/\s+/).filter((word) => /\w/.test(word)));
  const edits = {
    none: (text) => text,
    'a fifth of the words swapped': (text, i) => swapWords(text, 0.2, words, i),
    'a tenth of the words swapped': (text, i) => swapWords(text, 0.1, words, i),
    'a tenth of the words left out': (text, i) => dropWords(text, 0.1, i),
    'first half': (text) => text.slice(0, text.length >> 1),
    'last quarter': (text) => text.slice((3 * text.length) >> 2),
    'lower case': (text) => text.toLowerCase(),
  };
  const wanted = flags.edits?.split(',');
  for (const [edit, change] of Object.entries(edits)) {
    if (wanted && !wanted.includes(edit)) continue;
    let found = 0;
    let foundFree = 0;
    const logs = [];
    for (const [i, { text }] of marked.entries()) {
      const edited = change(text, i);
      const { pValue } = await model.detectWatermark(edited, { key: keyOf(i) });
      found += pValue <= ALPHA;
      logs.push(Math.log10(pValue));
      foundFree += modelFree(edited, new WatermarkKey(keyOf(i)), model.tokenizer).draws <= ALPHA;
    }
    const median = logs.sort((a, b) => a - b)[logs.length >> 1];
    console.log(
      JSON.stringify({
        ...row,
        edit,
        found: found / marked.length,
        medianLog10P: +median.toFixed(1),
        foundWithoutModel: foundFree / marked.length,
      }),
    );
  }
  if (flags.quality)
    console.log(JSON.stringify({ ...row, marked: await qualityOf(marked), plain: await qualityOf(plain) }));
  if (!flags['red-green']) return;
  model.markerOf = (key) => new RedGreenMarker(new WatermarkKey(key), model.tokenizer);
  const red = await generateTexts(keyOf);
  model.markerOf = (key) => new Marker(new WatermarkKey(key), model.tokenizer);
  for (const edit of ['none', 'a fifth of the words swapped']) {
    const found = red.filter(
      ({ text }, i) => modelFree(edits[edit](text, i), new WatermarkKey(keyOf(i)), model.tokenizer).redGreen <= ALPHA,
    );
    console.log(JSON.stringify({ ...row, scheme: 'red-green, delta 2', edit, found: found.length / red.length }));
  }
  console.log(JSON.stringify({ ...row, scheme: 'red-green, delta 2', marked: await qualityOf(red) }));
}

/** Bits a byte under the unmarked model at temperature 1, and the share of fours of tokens that stood in the text before; means with standard errors. */
async function qualityOf(results) {
  const bits = [];
  const repeats = [];
  for (const { promptTokens, tokens } of results) {
    const { logprobs } = await model.score([...promptTokens, ...tokens]);
    const nats = -logprobs.slice(promptTokens.length - 1).reduce((sum, value) => sum + value, 0);
    const bytes = tokens.reduce((sum, token) => sum + model.tokenizer.bytesOf(token).length, 0);
    bits.push(nats / Math.LN2 / bytes);
    const seen = new Set();
    let again = 0;
    for (let i = 3; i < tokens.length; i++) {
      const four = tokens.slice(i - 3, i + 1).join();
      again += seen.has(four);
      seen.add(four);
    }
    repeats.push(again / Math.max(1, tokens.length - 3));
  }
  return { bitsPerByte: meanOf(bits), repetition: meanOf(repeats) };
}

function meanOf(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return `${mean.toFixed(4)} ± ${Math.sqrt(variance / values.length).toFixed(4)}`;
}
