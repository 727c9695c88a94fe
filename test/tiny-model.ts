// Owns a small random model made in memory, for tests that need a model but no meaning: qwen3, byte-level vocabulary of 256 bytes and control tokens.
import { Random } from '../src/core/random.ts';
import { type WritableTensor, type WritableValue, writeGguf } from '../src/gguf/write.ts';
import { randomWeightBytes } from '../src/kernels/cases.ts';
import { type FormatName, formatByName } from '../src/quant/formats.ts';

export interface TinyModelOptions {
  architecture?: 'qwen3' | 'llama';
  format?: FormatName;
  layers?: number;
  contextLength?: number;
  seed?: number;
  chatTemplate?: string;
  /** Added to or put in place of the usual metadata; undefined removes a key. */
  metadata?: Record<string, WritableValue | undefined>;
  /** Changes the list of tensors before it is written. */
  tensors?: (tensors: WritableTensor[]) => WritableTensor[];
}

const HEADS = 4;
const KV_HEADS = 2;
const FFN = 256;
/** Bytes 0..255, then these. */
export const CONTROL_TOKENS = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];

const u32 = (value: number): WritableValue => ({ type: 'u32', value });
const f32 = (value: number): WritableValue => ({ type: 'f32', value });

/** The width of the model: rows must be whole blocks. */
const widthFor = (format: FormatName) => Math.max(128, formatByName(format).blockSize);

/** The bytes of such a model. */
export async function tinyModel(options: TinyModelOptions = {}): Promise<Uint8Array> {
  const { architecture = 'qwen3', layers = 2, format = 'q1_0' } = options;
  const width = widthFor(format);
  const tokens = [...byteTokens(), ...CONTROL_TOKENS];
  const types = Int32Array.from(tokens, (_, i) => (i < 256 ? 1 : 3));
  const entries: Record<string, WritableValue | undefined> = {
    'general.architecture': architecture,
    'general.name': 'tiny',
    [`${architecture}.block_count`]: u32(layers),
    [`${architecture}.context_length`]: u32(options.contextLength ?? 256),
    [`${architecture}.embedding_length`]: u32(width),
    [`${architecture}.feed_forward_length`]: u32(FFN),
    [`${architecture}.attention.head_count`]: u32(HEADS),
    [`${architecture}.attention.head_count_kv`]: u32(KV_HEADS),
    [`${architecture}.attention.key_length`]: u32(width / HEADS),
    [`${architecture}.attention.value_length`]: u32(width / HEADS),
    [`${architecture}.attention.layer_norm_rms_epsilon`]: f32(1e-6),
    [`${architecture}.rope.freq_base`]: f32(10000),
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'qwen2',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': types,
    'tokenizer.ggml.merges': [] as string[],
    'tokenizer.ggml.eos_token_id': u32(258),
    'tokenizer.ggml.bos_token_id': u32(256),
    'tokenizer.ggml.add_bos_token': false,
    'tokenizer.chat_template': options.chatTemplate,
    ...options.metadata,
  };
  const metadata = new Map(
    Object.entries(entries).filter((entry): entry is [string, WritableValue] => entry[1] !== undefined),
  );
  const tensors = tinyTensors(architecture, layers, tokens.length, format, options.seed ?? 1);
  const parts: Uint8Array[] = [];
  await writeGguf({ metadata, tensors: options.tensors?.(tensors) ?? tensors }, (bytes) => {
    parts.push(bytes.slice());
  });
  return new Uint8Array(Buffer.concat(parts));
}

function tinyTensors(architecture: string, layers: number, vocabulary: number, format: FormatName, seed: number) {
  const tensors: WritableTensor[] = [];
  const width = widthFor(format);
  const head = width / HEADS;
  let next = seed * 1000;
  const matrix = (name: string, cols: number, rows: number) => {
    const tensorSeed = next++;
    const bytes = () => randomWeightBytes(format, rows, cols, tensorSeed, 1 / Math.sqrt(cols));
    tensors.push({ name, shape: [cols, rows], format, bytes });
  };
  const vector = (name: string, length: number) => {
    const random = new Random(next++);
    const values = Float32Array.from({ length }, () => 0.8 + 0.4 * random.uniform());
    const bytes = () => {
      const out = new Uint8Array(length * 4);
      formatByName('f32').encode(values, out);
      return out;
    };
    tensors.push({ name, shape: [length], format: 'f32', bytes });
  };
  matrix('token_embd.weight', width, vocabulary);
  vector('output_norm.weight', width);
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string) => `blk.${layer}.${part}.weight`;
    vector(name('attn_norm'), width);
    matrix(name('attn_q'), width, HEADS * head);
    matrix(name('attn_k'), width, KV_HEADS * head);
    matrix(name('attn_v'), width, KV_HEADS * head);
    matrix(name('attn_output'), HEADS * head, width);
    if (architecture === 'qwen3') {
      vector(name('attn_q_norm'), head);
      vector(name('attn_k_norm'), head);
    }
    vector(name('ffn_norm'), width);
    matrix(name('ffn_gate'), width, FFN);
    matrix(name('ffn_up'), width, FFN);
    matrix(name('ffn_down'), FFN, width);
  }
  return tensors;
}

/** GPT-2's spelling of the 256 bytes: printable ones stand for themselves, the rest from U+0100 on. */
function byteTokens(): string[] {
  let extra = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCodePoint(printable ? byte : extra++);
  });
}
