// Owns making hostile HTTP requests: bodies, heads, chunking, nesting, sizes, clients that stop in the middle. Knows the server's routes, not its code.
import { muchCase } from './http-much.mjs';

const MESSAGES = (mark) => [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: [{ type: 'text', text: mark }] },
];
const TOOL = {
  type: 'function',
  function: { name: 'f', description: 'd', parameters: { type: 'object', properties: { a: { type: 'string' } } } },
};
const SCHEMA = {
  type: 'object',
  properties: { a: { type: 'string', pattern: '^(a|b)+$', maxLength: 4 }, b: { enum: [1, 'x', null] }, c: { type: 'array', items: { type: 'integer', minimum: 0, maximum: 9 }, maxItems: 2 } },
  required: ['a', 'b'],
}; // biome-ignore format: a table

/** Valid requests, from which the others are made. @param {string} mark text that only this request holds */
function seeds(mark) {
  const prompt = mark;
  return [
    ['/v1/chat/completions', { messages: MESSAGES(mark), max_tokens: 2, temperature: 1, top_p: 0.9, n: 2, seed: 1, stop: ['x'] }],
    ['/v1/chat/completions', { messages: MESSAGES(mark), max_tokens: 2, stream: true, stream_options: { include_usage: true } }],
    ['/v1/chat/completions', { messages: MESSAGES(mark), max_tokens: 3, tools: [TOOL], tool_choice: 'auto', parallel_tool_calls: true }],
    ['/v1/chat/completions', { messages: MESSAGES(mark), max_tokens: 3, response_format: { type: 'json_schema', json_schema: { name: 's', schema: SCHEMA } } }],
    ['/v1/chat/completions', { messages: MESSAGES(mark), max_tokens: 2, logprobs: true, top_logprobs: 2, logit_bias: { 5: -100 } }],
    ['/v1/completions', { prompt, max_tokens: 2, echo: true, min_p: 0.1, top_k: 5, repeat_penalty: 1.1, presence_penalty: 1 }],
    ['/v1/completions', { prompt: [prompt, prompt], max_tokens: 2, echo: true, stream: true }],
    ['/v1/responses', { input: [{ role: 'user', content: [{ type: 'input_text', text: mark }] }], max_output_tokens: 2, tools: [{ type: 'function', name: 'f', parameters: {} }] }],
    ['/v1/responses', { input: mark, max_output_tokens: 2, stream: true, previous_response_id: null, text: { format: { type: 'text' } } }],
    ['/v1/messages', { messages: [{ role: 'user', content: [{ type: 'text', text: mark }] }], max_tokens: 2, system: 'Be brief.', stop_sequences: ['x'], stream: true }],
    ['/v1/messages', { messages: [{ role: 'user', content: mark }], max_tokens: 3, tools: [{ name: 'f', input_schema: { type: 'object', properties: {} } }], tool_choice: { type: 'any' } }],
    ['/api/chat', { model: 'seedling', messages: [{ role: 'user', content: mark }], options: { num_predict: 2, temperature: 1, stop: ['x'] }, think: false }],
    ['/api/generate', { model: 'seedling', prompt: mark, stream: false, format: SCHEMA, options: { num_predict: 3, top_k: 5 } }],
    ['/v1/embeddings', { input: [mark, 'x'], encoding_format: 'float' }],
    ['/v1/tokenize', { content: mark, with_pieces: true }],
    ['/v1/detokenize', { tokens: [72, 105] }],
  ]; // biome-ignore format: a table
}

const NASTY = [null, true, 0, -1, 1e308, -1e-308, 2 ** 53, 0.5, '', ' ', '\u0000', '\ud800', '<|im_end|>', 'x'.repeat(5000), '🙂'.repeat(300),
  '((a+)+)+$', '^(a|aa)+$', '[', [], {}, [[]], { type: 'object' }, { $ref: '#' }, { anyOf: [] }, { __proto__: null, constructor: 1 }, 'NaN', '1e999']; // biome-ignore format: a table

const MEGABYTE = Buffer.alloc(1 << 20, 0x61);
const pick = (random, list) => list[random.below(list.length)];
/** A copy: what is picked may be changed later, and the next case must not see that. */
const nasty = (random) => structuredClone(pick(random, NASTY));

/** A copy of `value` with one to three places changed, taken away or doubled. */
function mutateJson(value, random) {
  const root = structuredClone({ value });
  for (let n = 1 + random.below(3); n > 0; n--) {
    const places = [];
    const visit = (node) => {
      for (const key of Object.keys(node)) {
        places.push([node, key]);
        if (typeof node[key] === 'object' && node[key] !== null) visit(node[key]);
      }
    };
    visit(root);
    const [node, key] = pick(random, places);
    const change = random.below(5);
    if (change === 0 && node !== root) delete node[key];
    else if (change === 1 && typeof node[key] === 'string')
      node[key] += pick(random, ['\u0000', '\udfff', '<|im_start|>', 'y'.repeat(random.below(3000))]);
    else if (change === 2 && node !== root)
      node[pick(random, ['__proto__', 'extra', 'functions', 'stream', 'n'])] = nasty(random);
    else node[key] = nasty(random);
  }
  return root.value;
}

function mutateBytes(bytes, random) {
  const out = Buffer.from(bytes);
  const at = random.below(Math.max(1, out.length));
  const change = random.below(4);
  if (change === 0)
    for (let n = 1 + random.below(8); n > 0 && out.length > 0; n--)
      out[random.below(out.length)] ^= 1 << random.below(8);
  if (change === 1) return out.subarray(0, at);
  if (change === 2)
    return Buffer.concat([
      out.subarray(0, at),
      Buffer.from(pick(random, ['{', ']', '"', '\\u', ',,', '\xff'])),
      out.subarray(at),
    ]);
  if (change === 3) return Buffer.concat([out, out.subarray(at)]);
  return out;
}

function deepBody(random, body) {
  const depth = pick(random, [60, 70, 1000, 100_000]);
  const [open, close] = pick(random, [
    ['[', ']'],
    ['{"a":', '}'],
    ['{"anyOf":[', ']}'],
    ['{"items":', '}'],
  ]);
  const nested = `${open.repeat(depth)}1${close.repeat(depth)}`;
  const text = JSON.stringify({
    ...body,
    [pick(random, ['messages', 'tools', 'extra', 'response_format', 'prompt', 'input'])]: 'HERE',
  });
  return Buffer.from(text.replace('"HERE"', nested));
}

/** Schemas that are large, recursive, contradictory, or cost exponential time where that is not prevented. */
function hostileSchema(random) {
  const leaf = () => pick(random, [{ type: 'string' }, { type: 'integer', minimum: -(2 ** 60), maximum: 2 ** 60 }, { const: 'x'.repeat(random.below(2000)) },
    { type: 'string', pattern: pick(random, ['(a+)+$', '(a|a)*b', '^(([a-z])+.)+[A-Z]([a-z])+$', '(x{1,99}){1,99}', '.*'.repeat(30), '\\p{L}{50}', '(?=a)b', '\\1(a)', '[^'])},
    { type: 'string', minLength: 1e6 }, { type: 'array', minItems: 1e5 }, { $ref: '#/$defs/a' }, { $ref: 'http://x/y' }, false, true, { type: 'string', format: 'frog' }]); // biome-ignore format: a table
  const make = (depth) => {
    if (depth === 0 || random.below(3) === 0) return leaf();
    const parts = Array.from({ length: 1 + random.below(6) }, () => make(depth - 1));
    return pick(random, [{ anyOf: parts }, { oneOf: parts }, { allOf: parts }, { type: 'array', prefixItems: parts }, { not: parts[0] },
      { type: 'object', properties: Object.fromEntries(parts.map((part, i) => [`p${i}`, part])), required: ['p0'] }]); // biome-ignore format: a table
  };
  return {
    ...Object(make(1 + random.below(4))),
    $defs: { a: pick(random, [{ $ref: '#/$defs/a' }, { type: 'array', items: { $ref: '#/$defs/a' } }, leaf()]) },
  };
}

const HEADERS = ['content-length: 5', 'content-length: -1', 'content-length: 99999999999999999999', 'transfer-encoding: gzip', 'transfer-encoding: chunked',
  'content-type: text/plain', 'content-type: application/json; charset=utf-16', 'authorization: Bearer x', 'authorization: \xff', 'host: evil.example',
  'host: a b', 'host:', 'expect: 100-continue', 'expect: 200', 'upgrade: websocket', 'upgrade: h2c', 'connection: upgrade', 'content-encoding: gzip', 'range: bytes=0-1',
  'x: y\r\n z', 'bad header: 1', ': empty', 'x\u0000y: 1', `cookie: ${'a=b; '.repeat(200)}`, `x-long: ${'z'.repeat(20_000)}`, 'te: trailers', 'origin: null']; // biome-ignore format: a table
const METHODS = ['GET', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'TRACE', 'CONNECT', 'POST', 'FROG', 'post', ''];
const PATHS = ['/', '/health', '/metrics', '/openapi.json', '/v1/models', '/v1/models/%00', '/v1/models/..%2f', '//', '/v1/responses/x', '*', '/%', '/v1/chat/completions/',
  'http://x/v1/models', '/v1/completions?x=%ff', `/${'a'.repeat(9000)}`, '/v1/models/\u00e9', 'frog']; // biome-ignore format: a table

/**
 * @typedef {object} HttpCase
 * @property {string} kind
 * @property {(Buffer | number)[]} pieces what to send, one after the other; numbers are pauses in milliseconds
 * @property {'answer' | 'any' | 'leave' | 'stall'} expect an answer for certain; an answer, or none to what is no whole request; go away after
 *   sending; read nothing for a while
 */

/** Case number `index`. @returns {HttpCase} */
export function httpCase(random, mark) {
  const [path, body] = pick(random, seeds(mark));
  const json = Buffer.from(JSON.stringify(body));
  const send = (kind, bytes, expect = 'answer') => ({
    kind,
    pieces: [head('POST', path, [`content-length: ${bytes.length}`]), bytes],
    expect,
  });
  switch (random.below(16)) {
    case 0:
      return send('valid', json);
    case 1:
    case 2:
    case 3:
      return send('json', Buffer.from(JSON.stringify(mutateJson(body, random)) ?? 'null'));
    case 4:
      return send('bytes', mutateBytes(json, random));
    case 5:
      return send('deep', deepBody(random, body));
    case 6: {
      const response_format = { type: 'json_schema', json_schema: { name: 's', schema: hostileSchema(random) } };
      const chat = { messages: MESSAGES(mark), max_tokens: 3, response_format };
      const bytes = Buffer.from(JSON.stringify(chat));
      return {
        kind: 'schema',
        pieces: [head('POST', '/v1/chat/completions', [`content-length: ${bytes.length}`]), bytes],
        expect: 'answer',
      };
    }
    case 7:
      return { kind: 'chunks', ...chunked(head('POST', path, ['transfer-encoding: chunked']), json, random) };
    case 8:
      return {
        kind: 'head',
        pieces: [
          head(pick(random, METHODS), pick(random, [path, ...PATHS]), [pick(random, HEADERS), pick(random, HEADERS)]),
          json,
        ],
        expect: 'any',
      };
    case 9:
      return {
        kind: 'raw',
        pieces: [mutateBytes(Buffer.concat([head('POST', path, [`content-length: ${json.length}`]), json]), random)],
        expect: 'any',
      };
    case 10: {
      const long = { ...body, max_tokens: 10_000, stream: random.below(2) === 0 };
      const bytes = Buffer.from(JSON.stringify(long));
      return {
        ...send('leave', bytes.subarray(0, random.below(2) === 0 ? bytes.length : random.below(bytes.length)), 'leave'),
      };
    }
    case 12:
    case 13:
    case 14:
    case 15:
      return muchCase(random, mark, head);
    default:
      if (random.below(8) > 0) return send('stall', Buffer.from(JSON.stringify({ ...body, stream: true })), 'stall');
      return large(random);
  }
}

function head(method, path, headers) {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'host: 127.0.0.1',
    'content-type: application/json',
    'connection: close',
    ...headers,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** A body of 1 to 3 MB, sometimes of 100 MB, its length told before or not. */
function large(random) {
  const megabytes = random.below(20) === 0 ? 100 : 1 + random.below(3);
  const filling = Array.from({ length: megabytes }, () => MEGABYTE);
  const parts = [Buffer.from('{"prompt":"'), ...filling, Buffer.from('"}')];
  if (random.below(2) === 0) {
    const chunks = parts.flatMap((part) => [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]);
    const start = head('POST', '/v1/completions', ['transfer-encoding: chunked']);
    return { kind: 'large', pieces: [start, ...chunks, Buffer.from('0\r\n\r\n')], expect: 'answer' };
  }
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  const start = head('POST', '/v1/completions', [`content-length: ${bytes}`]);
  return { kind: 'large', pieces: [start, ...parts], expect: 'answer' };
}

/** A body in chunks; one in two is broken. */
function chunked(start, bytes, random) {
  const sound = random.below(2) === 0;
  const broken = (one) => !sound && random.below(one) === 0;
  const sizes = ['-1', 'ffffffffff', 'zz', '', '0x5', `5;${'e'.repeat(20_000)}`];
  const pieces = [start];
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(bytes.length - at, 1 + random.below(60));
    const size = broken(8) ? pick(random, sizes) : length.toString(16);
    const end = broken(20) ? '~~' : '\r\n';
    pieces.push(Buffer.from(`${size}\r\n`), bytes.subarray(at, at + length), Buffer.from(end));
    at += length;
  }
  pieces.push(Buffer.from(random.below(20) === 0 ? '0\r\nx: y\r\n\r\n' : '0\r\n\r\n'));
  return { pieces, expect: sound ? 'answer' : 'any' };
}
