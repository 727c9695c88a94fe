// Owns small valid model files for the fuzzer: one llama-like and one qwen3-like layer with their tokenizers, in every format, and one with a
// vocabulary larger than the reader's first piece. Takes the project's functions as arguments, so that tests pass src and the command passes dist.

const HEADS = 2;

/** The printable stand-ins of bytes in byte-level BPE. Source: OpenAI's GPT-2 encoder. */
function byteCharacters() {
  const direct = [];
  for (let b = 0; b < 256; b++) if ((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174) direct.push(b);
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(direct.includes(b) ? b : next++));
}

function bpeTokenizer(extraTokens) {
  const merges = ['t h', 'th e', 'Ġ a', 'i n', 'Ġ the'];
  const merged = merges.map((merge) => merge.replace(' ', ''));
  const extra = Array.from({ length: extraTokens }, (_, i) => `[filler token ${i}]`);
  const tokens = [...byteCharacters(), ...merged, '<|endoftext|>', '<|im_start|>', '<|im_end|>', ...extra];
  const types = Int32Array.from(tokens, (token) => (token.startsWith('<|') ? 3 : token.startsWith('[filler') ? 5 : 1));
  const end = tokens.indexOf('<|im_end|>');
  return {
    count: tokens.length,
    metadata: [
      ['tokenizer.ggml.model', 'gpt2'],
      ['tokenizer.ggml.pre', 'qwen2'],
      ['tokenizer.ggml.tokens', tokens],
      ['tokenizer.ggml.token_type', types],
      ['tokenizer.ggml.merges', merges],
      ['tokenizer.ggml.eos_token_id', { type: 'u32', value: end }],
      ['tokenizer.ggml.add_bos_token', false],
      [
        'tokenizer.chat_template',
        '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}',
      ],
    ],
  };
}

function sentencePieceTokenizer() {
  const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);
  const pieces = ['▁', 't', 'h', 'e', '▁t', 'he', '▁the', 'a', 'i', 'n', 'in', '▁a'];
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...pieces];
  return {
    count: tokens.length,
    metadata: [
      ['tokenizer.ggml.model', 'llama'],
      ['tokenizer.ggml.tokens', tokens],
      ['tokenizer.ggml.scores', Float32Array.from(tokens, (_, i) => (i < 259 ? 0 : 258 - i))],
      ['tokenizer.ggml.token_type', Int32Array.from(tokens, (_, i) => (i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1))],
      ['tokenizer.ggml.bos_token_id', { type: 'u32', value: 1 }],
      ['tokenizer.ggml.eos_token_id', { type: 'u32', value: 2 }],
      ['tokenizer.ggml.unknown_token_id', { type: 'u32', value: 0 }],
    ],
  };
}

function modelMetadata(arch, headSize, width) {
  const u32 = (value) => ({ type: 'u32', value });
  return [
    ['general.architecture', arch],
    ['general.name', `fuzz-${arch}`],
    ['general.alignment', u32(32)],
    [`${arch}.block_count`, u32(1)],
    [`${arch}.context_length`, u32(64)],
    [`${arch}.embedding_length`, u32(width)],
    [`${arch}.feed_forward_length`, u32(width)],
    [`${arch}.attention.head_count`, u32(HEADS)],
    [`${arch}.attention.head_count_kv`, u32(1)],
    [`${arch}.attention.key_length`, u32(headSize)],
    [`${arch}.attention.value_length`, u32(headSize)],
    [`${arch}.rope.dimension_count`, u32(headSize)],
    [`${arch}.rope.freq_base`, { type: 'f32', value: 10000 }],
    [`${arch}.attention.layer_norm_rms_epsilon`, { type: 'f32', value: 1e-6 }],
    // Nothing reads these; they let the fuzzer reach more value types.
    ['fuzz.u64', { type: 'u64', value: 2n ** 60n }],
    ['fuzz.f64', { type: 'f64', value: 0.1 }],
    ['fuzz.bools', [true, false]],
    ['fuzz.u16s', new Uint16Array([1, 2])],
  ];
}

function modelTensors(arch, headSize, width, tokenCount, format, formatByName, random) {
  const tensor = (name, shape, formatName) => {
    const chosen = formatByName(formatName);
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    for (let i = 0; i < values.length; i++)
      values[i] = shape.length === 1 ? 1 : random.uniform() < 0.5 ? -0.125 : 0.125;
    const { blockSize, blockBytes, tailBytes = 0 } = chosen;
    const bytes = new Uint8Array((values.length / blockSize) * blockBytes + tailBytes);
    chosen.encode(values, bytes);
    return { name, shape, format: formatName, bytes: () => bytes };
  };
  const matrix = (name, inputs, outputs) => tensor(name, [inputs, outputs], format);
  const norm = (name, size) => tensor(name, [size], 'f32');
  const heads = HEADS * headSize;
  return [
    matrix('token_embd.weight', width, tokenCount),
    norm('output_norm.weight', width),
    norm('blk.0.attn_norm.weight', width),
    matrix('blk.0.attn_q.weight', width, heads),
    matrix('blk.0.attn_k.weight', width, headSize),
    matrix('blk.0.attn_v.weight', width, headSize),
    ...(arch === 'qwen3'
      ? [norm('blk.0.attn_q_norm.weight', headSize), norm('blk.0.attn_k_norm.weight', headSize)]
      : []),
    matrix('blk.0.attn_output.weight', heads, width),
    norm('blk.0.ffn_norm.weight', width),
    matrix('blk.0.ffn_gate.weight', width, width),
    matrix('blk.0.ffn_up.weight', width, width),
    matrix('blk.0.ffn_down.weight', width, width),
  ];
}

/**
 * Makes the seed files.
 * @param {{ writeGguf: Function, formats: readonly { name: string }[], formatByName: Function, Random: Function }} project
 * @returns {Promise<{ name: string, bytes: Uint8Array }[]>}
 */
export async function ggufSeeds({ writeGguf, formats, formatByName, Random }) {
  const random = new Random(1);
  const seeds = [];
  const make = async (name, arch, format, tokenizer) => {
    const width = Math.max(128, formatByName(format).blockSize);
    const headSize = width / HEADS;
    const metadata = new Map([...modelMetadata(arch, headSize, width), ...tokenizer.metadata]);
    const tensors = modelTensors(arch, headSize, width, tokenizer.count, format, formatByName, random);
    const chunks = [];
    await writeGguf({ metadata, tensors }, (bytes) => void chunks.push(bytes.slice()));
    seeds.push({ name, bytes: new Uint8Array(Buffer.concat(chunks)) });
  };
  for (const format of formats) {
    await make(`llama-${format.name}`, 'llama', format.name, sentencePieceTokenizer());
    await make(`qwen3-${format.name}`, 'qwen3', format.name, bpeTokenizer(0));
  }
  await make('qwen3-large-vocabulary', 'qwen3', 'q1_0', bpeTokenizer(12000));
  return seeds;
}
