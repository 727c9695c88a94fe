// Owns small models of each architecture as files, the same bytes wherever they are made: for golden data by numpy (architectures-golden.py, which makes the
// same weights) and by llama.cpp. Must not know the judges.

/** The generator of Numerical Recipes: numbers between -0.5 and 0.5, as architectures-golden.py makes them. */
export function numbers(seed, count) {
  let state = seed;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}

function weightOf(name, number, inputs) {
  if (name.includes('norm')) return 1 + 0.4 * number;
  if (name.includes('freqs')) return 2 + 2 * number;
  if (name.endsWith('scale')) return 0.6 + number;
  return name.endsWith('bias') ? 2 * number : (number * 3.46) / Math.sqrt(inputs);
}

function tensorOf(name, shape, seed) {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Float32Array.from(numbers(seed, count), (number) => weightOf(name, number, shape[0]));
  return { name, shape, format: 'f32', bytes: () => new Uint8Array(values.buffer) };
}

/**
 * The bytes of a model of test/golden/architectures.json.
 * @param {import('../../src/gguf/write.ts').writeGguf} writeGguf
 * @param {{ architecture: string, activation: string | null, seed: number, tensors: [string, number[]][], keys?: Record<string, number | string> }} model
 * @param {Readonly<Record<string, number>>} sizes those of the golden file
 * @param {Readonly<Record<string, import('../../src/gguf/write.ts').WritableValue>>} [more] whole keys and values, added or put in place of the usual ones
 */
export async function modelFile(writeGguf, { architecture, activation, seed, tensors, keys = {} }, sizes, more = {}) {
  const { width, feedForward, heads, kvHeads, headSize, layers, epsilon, base } = sizes;
  const vocabulary = tensors[0][1][1];
  const texts = Array.from({ length: vocabulary }, (_, i) => String.fromCharCode(0x100 + i));
  const number = (value) =>
    typeof value === 'number' ? { type: Number.isInteger(value) ? 'u32' : 'f32', value } : value;
  const own = {
    block_count: number(layers),
    context_length: number(512),
    embedding_length: number(width),
    feed_forward_length: number(feedForward),
    'attention.head_count': number(heads),
    'attention.head_count_kv': number(kvHeads),
    'attention.key_length': number(headSize),
    'attention.value_length': number(headSize),
    'attention.layer_norm_rms_epsilon': number(epsilon),
    'rope.freq_base': { type: 'f32', value: base },
    'rope.dimension_count': number(headSize),
    ...Object.fromEntries(Object.entries(keys).map(([key, value]) => [key, number(value)])),
    ...(activation ? { hidden_activation: activation } : {}),
  };
  const metadata = new Map([
    ['general.architecture', architecture],
    ...Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value]),
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.tokens', texts],
    ['tokenizer.ggml.token_type', new Int32Array(vocabulary).fill(1)],
    ['tokenizer.ggml.merges', []],
    ['tokenizer.ggml.eos_token_id', number(0)],
    ...Object.entries(more),
  ]);
  const parts = [];
  const writable = tensors.map(([name, shape], i) => tensorOf(name, shape, seed * 1000 + i));
  await writeGguf({ metadata, tensors: writable }, (bytes) => void parts.push(bytes.slice()));
  return new Uint8Array(Buffer.concat(parts));
}
