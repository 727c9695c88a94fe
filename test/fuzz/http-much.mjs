// Owns making HTTP requests that are too much: bodies near the size limit, of every kind that costs work before the model runs, compressed, slow, cut.
// Knows the server's routes, not its code.
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';

const pick = (random, list) => list[random.below(list.length)];
const times = (count, make) => Array.from({ length: count }, (_, i) => make(i));
/** A text of about `bytes` bytes. */
const filled = (piece, bytes) => piece.repeat(Math.max(1, Math.floor(bytes / Buffer.byteLength(piece))));
const TEXTS = [
  'th',
  'a ',
  '😀',
  '字',
  '<|im_start|>',
  '<think>',
  '</think>',
  '\n',
  ' ',
  '0',
  '{{ x }}',
  'é',
  '\u200b',
  'ab\n\n',
  '!',
  '\\"',
  '1234567890-',
];
const user = (content) => ({ role: 'user', content });

/** Bytes of a body, mostly some ten thousand, sometimes near the limit of 8 MiB. */
function sizeOf(random) {
  return pick(random, [2e3, 2e4, 2e4, 1e5, 1e5, 1e6, 3e6, 7.9e6]);
}

/** Schemas whose size is small and whose meaning is large, or the other way round. */
function schema(random, size) {
  const n = Math.min(2000, Math.floor(size / 40));
  const chain = (keyword) =>
    times(Math.min(n, 60), (i) => ({ [keyword]: [{ $ref: `#/$defs/s${i + 1}` }, { $ref: `#/$defs/s${i + 1}` }] }));
  return pick(random, [
    () => ({ enum: times(n, (i) => `value ${i}`) }),
    () => ({ type: 'object', properties: Object.fromEntries(times(n, (i) => [`p${i}`, { type: 'integer', multipleOf: i + 2 }])), required: times(Math.min(n, 300), (i) => `p${i}`) }),
    () => ({ $defs: Object.fromEntries([...chain('anyOf'), { type: 'string' }].map((part, i) => [`s${i}`, part])), $ref: '#/$defs/s0' }),
    () => ({ $defs: Object.fromEntries([...chain('allOf'), { type: 'number', multipleOf: 0.07 }].map((part, i) => [`s${i}`, part])), $ref: '#/$defs/s0' }),
    () => ({ type: 'string', pattern: filled(pick(random, ['(a|b|ab)*', '[a-z]{1,99}', '(x?y?){9}', '.*a', '\\p{L}+']), Math.min(size, 4000)) }),
    () => ({ type: 'integer', minimum: 1, maximum: 10 ** 15, multipleOf: pick(random, [7, 9973, 1e9 + 7]) }),
    () => ({ type: 'array', items: { anyOf: times(Math.min(n, 300), (i) => ({ const: `c${i}` })) }, minItems: 1e4, uniqueItems: true }),
    () => ({ type: 'string', minLength: 1e5, maxLength: 1e6, format: 'email' }),
  ])(); // biome-ignore format: a table
}

/** One request: its path and body. */
function request(random, mark) {
  const size = sizeOf(random);
  const text = filled(pick(random, TEXTS), size);
  const count = Math.floor(size / 30);
  const few = { max_tokens: 1 };
  return pick(random, [
    () => ['/v1/chat/completions', { messages: [user(text)], ...few }],
    () => ['/v1/chat/completions', { messages: [{ role: 'assistant', content: `${text}</think>`, reasoning_content: text.slice(0, 1e5) }, user(mark)], ...few }],
    () => ['/v1/chat/completions', { messages: times(Math.min(count, 10_000), () => user(mark.slice(0, 8))), ...few }],
    () => ['/v1/chat/completions', { messages: times(Math.min(count, 20_000), () => ({ role: 'no', content: {} })), ...few }],
    () => ['/v1/chat/completions', { messages: [user(times(Math.min(count, 3000), () => ({ type: pick(random, ['text', 'image_url']), text: 'x' })))], ...few }],
    () => ['/v1/chat/completions', { messages: [user(mark)], tools: times(Math.min(128, count), (i) => ({ type: 'function', function: { name: `f${i}`, description: text.slice(0, size / 128), parameters: schema(random, 500) } })), tool_choice: pick(random, ['auto', 'required']), ...few }],
    () => ['/v1/chat/completions', { messages: [user(mark)], chat_template_kwargs: { enable_thinking: true, [text.slice(0, 50)]: times(count, (i) => i), deep: JSON.parse(`${'['.repeat(50)}${']'.repeat(50)}`), text }, ...few }],
    () => ['/v1/chat/completions', { messages: [user(mark)], response_format: { type: 'json_schema', json_schema: { schema: schema(random, size) } }, ...few }],
    () => ['/v1/chat/completions', { messages: [user(mark)], n: 4, logprobs: true, top_logprobs: 20, max_tokens: 12 }],
    () => ['/v1/completions', { prompt: text, stop: times(pick(random, [3, 16, 5000]), (i) => `s${i}`), ...few }],
    () => ['/v1/completions', { prompt: times(count, () => pick(random, [1, 5, 2000, -1, 0.5])), ...few }],
    () => ['/v1/completions', { prompt: times(pick(random, [8, 128, 500]), () => mark), max_tokens: 1, echo: true, logprobs: 5 }],
    () => ['/v1/completions', { prompt: mark, logit_bias: Object.fromEntries(times(Math.min(count, 90_000), (i) => [i, -1])), n: 3, ...few }],
    () => ['/v1/completions', { prompt: mark, [pick(random, ['guided_json', 'json_schema'])]: schema(random, size), ...few }],
    () => ['/v1/completions', { prompt: mark, guided_choice: times(Math.min(1200, count), (i) => `${i}${text.slice(0, 40)}`), ...few }],
    () => ['/v1/completions', { prompt: mark, [pick(random, ['guided_regex', 'regex'])]: schema(random, size).pattern ?? '(((a?){50}){50}){50}', ...few }],
    () => ['/v1/responses', { input: times(Math.min(count, 12_000), (i) => ({ type: pick(random, ['message', 'reasoning', 'function_call', 'item_reference', 'frog']), role: 'user', content: 'a', id: `i${i}` })), max_output_tokens: 1 }],
    () => ['/v1/responses', { input: mark, instructions: text, metadata: Object.fromEntries(times(Math.min(count, 50_000), (i) => [`k${i}`, 'v'])), max_output_tokens: 1 }],
    () => ['/v1/responses', { input: mark, max_output_tokens: 1, store: true, metadata: { text: text.slice(0, 600) } }],
    () => ['/v1/messages', { messages: [user(times(Math.min(1500, count), (i) => ({ type: 'tool_result', tool_use_id: `${i}`, content: [{ type: 'text', text: 'x' }] })))], ...few }],
    () => ['/v1/messages/count_tokens', { system: text, messages: [user(mark)] }],
    () => ['/v1/embeddings', { input: times(Math.min(2048, count), () => pick(random, [mark, text.slice(0, 200)])) }],
    () => ['/v1/embeddings', { input: [mark, text] }],
    () => ['/v1/tokenize', { content: text, with_pieces: true, parse_special: true }],
    () => ['/v1/detokenize', { tokens: times(Math.floor(size / 4), (i) => i % 2048) }],
    () => ['/api/chat', { model: 'seedling', stream: false, messages: times(Math.min(count, 9000), () => user(text.slice(0, 60))), options: { num_predict: 1 } }],
    () => ['/api/generate', { model: 'seedling', stream: false, prompt: text, context: times(Math.min(count, 9000), () => 5), format: schema(random, 2000), options: { num_predict: 1 } }],
    () => ['/api/embed', { model: 'seedling', input: [text, mark] }],
  ])(); // biome-ignore format: a table
}

/** A JSON text that no program writes: many values of one kind, unclosed, or closed too often. */
function rawBody(random) {
  const size = sizeOf(random);
  const piece = pick(random, ['[],', '{},', '"",', '0,', 'null,', '"a":1,', '[', '{"a":', '\\', '"', '1e9,', '\u0000']);
  return `${pick(random, ['[', '{', '{"messages":[', '{"prompt":"', '{"prompt":[', ''])}${filled(piece, size)}${pick(random, ['', ']', '}', '0]}', '"}', '""]}'])}`;
}

/** A request that is too much. @param {(method: string, path: string, headers: string[]) => Buffer} head @returns {import('./http-cases.mjs').HttpCase} */
export function muchCase(random, mark, head) {
  const raw = random.below(5) === 0;
  const [path, body] = raw
    ? [pick(random, ['/v1/chat/completions', '/v1/completions', '/api/generate', '/v1/messages']), rawBody(random)]
    : request(random, mark);
  const bytes = Buffer.from(raw ? body : JSON.stringify(body));
  const send = (kind, headers, content) => ({
    kind,
    pieces: [head('POST', path, [`content-length: ${content.length}`, ...headers]), content],
    expect: 'answer',
  });
  switch (random.below(8)) {
    case 0: {
      const [encoding, compress] = pick(random, [['gzip', gzipSync], ['deflate', deflateSync], ['br', fastBrotli]]); // biome-ignore format: short
      const whole = compress(random.below(6) === 0 ? Buffer.alloc(3e7, 0x5b) : bytes);
      const sent = random.below(4) === 0 ? whole.subarray(0, random.below(whole.length)) : whole;
      return send('packed', [`content-encoding: ${encoding}`], sent);
    }
    case 1: {
      // In pieces with pauses; the last may never come.
      const at = times(4, (i) => bytes.subarray((i * bytes.length) / 4, ((i + 1) * bytes.length) / 4));
      const start = head('POST', path, [`content-length: ${bytes.length}`]);
      const pieces = [start, ...at.flatMap((part) => [part, random.below(300)])];
      return random.below(2) === 0
        ? { kind: 'slow', pieces, expect: 'answer' }
        : { kind: 'slow', pieces: pieces.slice(0, 5), expect: 'leave' };
    }
    case 2:
      return { ...send('left', [], bytes), expect: 'leave' };
    default:
      return send(raw ? 'raw-json' : 'much', [], bytes);
  }
}

function fastBrotli(bytes) {
  return brotliCompressSync(bytes, { params: { 1: 1 } }); // BROTLI_PARAM_QUALITY
}
