// Log-probabilities of given tokens by llama.cpp, for any GGUF: the outside judge of the forward pass.
// node bench/peers/llama-score.mjs MODEL --tokens 1,2,3 | --tokens-file F [--json] [--rows OUT.f32]
//   [--lora ADAPTER.gguf] [--kv F16|F32|Q8_0] [--flash auto|on|off] [--threads 1] [--batch 512]
// F holds token ids as a JSON array or separated by commas or spaces; none are added (also no BOS).
// --rows writes every position's whole row of log-probabilities (natural log), float32 little-endian, [tokens, vocabulary].
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { readArguments } from './arguments.mjs';
import { judgeVersion, openLlama, scoreTokens } from './llama.mjs';

const { positional, option, flag } = readArguments(process.argv.slice(2), ['json']);
const list = option('tokens') ?? (option('tokens-file') && readFileSync(option('tokens-file'), 'utf8'));
if (positional.length !== 1 || !list) {
  console.error('llama-score: one model and --tokens or --tokens-file are required. See the head of this file.');
  process.exit(2);
}
const tokens = (list.match(/\d+/g) ?? []).map(Number);
const kvType = option('kv', 'F16');
const flashAttention = { auto: 'auto', on: true, off: false }[option('flash', 'auto')];
const batchSize = Number(option('batch', '512'));
const threads = Number(option('threads', '1'));
const lora = option('lora');
const contextSize = Math.max(256, tokens.length);
const judge = await openLlama(positional[0], { threads, contextSize, batchSize, flashAttention, kvType, lora });

let onRow;
let file;
if (option('rows')) {
  file = openSync(option('rows'), 'w');
  onRow = (row) => writeSync(file, new Uint8Array(Float32Array.from(row).buffer));
}
const logprobs = await scoreTokens(judge, tokens, onRow, batchSize);
if (file !== undefined) closeSync(file);

const natsPerToken = -logprobs.reduce((a, b) => a + b, 0) / logprobs.length;
const program = await judgeVersion(judge.llama);
const result = { program, kvType, flashAttention, vocabSize: judge.vocabSize, tokens, logprobs, natsPerToken };
if (flag('json')) console.log(JSON.stringify(result));
else console.log(`${natsPerToken.toFixed(6)} nats/token over ${logprobs.length} tokens (${program})`);
process.exit(0);
