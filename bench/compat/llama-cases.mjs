// What llama.cpp's tests of its server (tools/server/tests/unit of ggml-org/llama.cpp) ask of the routes that are here, and what they expect: names as there.
// Facts of that suite, written anew. Its model is stories260K, whose tokens the numbers of prompts are. Routes below /v1 where theirs are at both places.
const book = (content, system = 'Book') => [
  { role: 'system', content: system },
  { role: 'user', content },
];
const first = ({ choices }) => choices[0];
const isMatch = (pattern, text) =>
  new RegExp(pattern, 'ims').test(text) ? undefined : `expected ${pattern}, got ${JSON.stringify(text)}`;
const isEqual = (what, got, expected) => (got === expected ? undefined : `${what}: expected ${expected}, got ${got}`);
const firstOf = (...problems) => problems.find((problem) => problem !== undefined);
const isError = (status) => status === 400 || status === 500;
const EXCLUDED =
  'i I the The to a an be is was but But and And so So you You he He she She we We they They it It his His her Her book Book'.split(
    ' ',
  );
const FRANCE = 'What is the capital of France ?';
const LIFE = 'I believe the meaning of life is';

const chatCases = [
  ['Hey', 8, "But she couldn't", 69],
  ['What is the best book', 8, '(Suddenly)+|\\{ " Sarax.', 77],
  [
    [
      { type: 'text', text: 'What is' },
      { type: 'text', text: 'the best book' },
    ],
    8,
    'Whillicter',
    79,
  ],
].map(([content, max_tokens, pattern, prompt]) => ({
  name: `test_chat_completion[Book, ${JSON.stringify(content)}]`,
  path: '/v1/chat/completions',
  body: { max_tokens, messages: book(content), seed: 42 },
  check: (body) =>
    firstOf(
      body.id.includes('cmpl') ? undefined : `id ${body.id}`,
      isEqual('prompt_tokens', body.usage.prompt_tokens, prompt),
      isEqual('completion_tokens', body.usage.completion_tokens, max_tokens),
      isEqual('finish_reason', first(body).finish_reason, 'length'),
      isEqual('role', first(body).message.role, 'assistant'),
      isMatch(pattern, first(body).message.content),
    ),
}));

const formCases = [
  [{ type: 'json_object', schema: { const: '42' } }, 6, '"42"'],
  [{ type: 'json_object', schema: { items: [{ type: 'integer' }] } }, 10, '\\['],
  [{ type: 'json_schema', json_schema: { schema: { const: 'foooooo' } } }, 10, '"foooooo"'],
  [{ type: 'json_object' }, 10, '(\\{|John)+'],
  [{ type: 'sound' }, 1],
  [{ type: 'json_object', schema: 123 }, 1],
  [{ type: 'json_object', schema: { type: 123 } }, 1],
  [{ type: 'json_object', schema: { type: 'hiccup' } }, 1],
].map(([response_format, max_tokens, pattern]) => ({
  name: `test_completion_with_response_format[${JSON.stringify(response_format)}]`,
  path: '/v1/chat/completions',
  body: { max_tokens, messages: book('Write an example', 'You are a coding assistant.'), response_format, seed: 42 },
  status: pattern ? 200 : isError,
  check: (body) => (pattern ? isMatch(pattern, first(body).message.content) : body.error ? undefined : 'no error'),
}));

const invalidCases = [
  null,
  'string',
  [123],
  [{}],
  [{ role: 123 }],
  [{ role: 'system', content: 123 }],
  [{ role: 'system', content: 'test' }, {}],
  [
    { role: 'user', content: 'test' },
    { role: 'assistant', content: 'test' },
    { role: 'assistant', content: 'test' },
  ],
].map((messages) => ({
  name: `test_invalid_chat_completion_req[${JSON.stringify(messages)}]`,
  path: '/v1/chat/completions',
  body: { messages, max_tokens: 4 },
  status: isError,
  check: (body) => (body.error ? undefined : 'no error'),
}));

const embeddingCases = [
  ['', 1],
  ['string', 1],
  [[12, 34, 56], 1],
  [[12, 34, 'string', 56, 78], 1],
  [['string1', 'string2'], 2],
  [['string1', [12, 34, 56]], 2],
  [
    [
      [12, 34, 56],
      [12, 34, 56],
    ],
    2,
  ],
  [
    [
      [12, 34, 56],
      [12, 'string', 34, 56],
    ],
    2,
  ],
].map(([input, count]) => ({
  name: `test_embedding_mixed_input[${JSON.stringify(input)}]`,
  path: '/v1/embeddings',
  body: { input },
  check: ({ data }) =>
    data.length === count && data.every(({ embedding }) => embedding.length > 1) ? undefined : `${data.length} vectors`,
}));

const logprobsAre = (list, text) =>
  firstOf(
    isEqual('text', list.map(({ token }) => token).join(''), text),
    list.every(({ logprob, bytes, top_logprobs }) => logprob <= 0 && bytes && top_logprobs.length > 0)
      ? undefined
      : 'an entry lacks something',
  );
const asked = {
  temperature: 0,
  max_tokens: 5,
  messages: book('What is the best book'),
  logprobs: true,
  top_logprobs: 10,
};
const streamed = (events, of) => events.flatMap(({ data }) => data.choices.map(of)).filter(Boolean);
const tooLong = { messages: Array.from({ length: 100 }, () => book('What is the best book')).flat(), max_tokens: 4 };
const isContextError = ({ error }) =>
  error.type === 'exceed_context_size_error' && error.n_prompt_tokens > 0
    ? undefined
    : `type ${error.type}, code ${error.code}`;

export const llamaCases = [
  { name: 'test_server_start_simple', path: '/health' },
  { name: 'test_server_props', path: '/props' },
  { name: 'test_server_slots', path: '/slots' },
  {
    name: 'test_server_models',
    path: '/v1/models',
    check: ({ data }) => isEqual('models', data.length, 1),
  },
  {
    name: 'test_no_webui',
    path: '/',
    headers: { accept: 'text/html' },
    check: (body) => isMatch('<!doctype html>', body),
  },
  {
    name: 'test_tokenize_detokenize',
    path: '/v1/tokenize',
    body: { content: FRANCE },
    check: ({ tokens }) => (tokens.length > 5 ? undefined : `${tokens.length} tokens`),
    again: ({ tokens }) => ({
      path: '/v1/detokenize',
      body: { tokens },
      check: ({ content }) => isEqual('content', content.trim(), FRANCE),
    }),
  },
  {
    name: 'test_tokenize_with_bos',
    path: '/v1/tokenize',
    body: { content: FRANCE, add_special: true },
    check: ({ tokens }) => isEqual('first token', tokens[0], 1),
  },
  {
    name: 'test_tokenize_with_pieces',
    path: '/v1/tokenize',
    body: { content: 'This is a test string with unicode 媽 and emoji 🤗', with_pieces: true },
    check: ({ tokens }) =>
      tokens.every(({ id, piece }) => id > 0 && piece?.length > 0) ? undefined : `pieces: ${JSON.stringify(tokens[0])}`,
  },
  ...chatCases,
  {
    name: 'test_chat_completion_stream[Book]',
    path: '/v1/chat/completions',
    stream: true,
    body: {
      max_tokens: 8,
      messages: book('What is the best book'),
      stream: true,
      seed: 42,
      stream_options: { include_usage: true },
    },
    check: (events) =>
      firstOf(
        isEqual('role', events[0].data.choices[0].delta.role, 'assistant'),
        events.slice(1).some(({ data }) => data.choices[0]?.delta.role) ? 'a second role' : undefined,
        new Set(events.map(({ data }) => data.id)).size === 1 ? undefined : 'several ids',
        isEqual('finish_reason', streamed(events, ({ finish_reason }) => finish_reason).join(), 'length'),
        isEqual('prompt_tokens', events.at(-1).data.usage?.prompt_tokens, 77),
        isMatch('(Suddenly)+', streamed(events, ({ delta }) => delta.content).join('')),
      ),
  },
  {
    name: 'test_apply_chat_template',
    path: '/apply-template',
    body: { messages: book('Hi there', 'You are a test.') },
    check: ({ prompt }) => isMatch('You are a test[\\s\\S]*Hi there', prompt),
  },
  ...formCases,
  {
    name: 'test_completion_with_json_schema',
    path: '/v1/chat/completions',
    body: {
      max_tokens: 6,
      messages: book('Write an example', 'You are a coding assistant.'),
      json_schema: { const: '42' },
    },
    check: (body) => isMatch('"42"', first(body).message.content),
  },
  {
    name: 'test_completion_with_grammar',
    path: '/v1/chat/completions',
    body: { max_tokens: 6, messages: book('Does not matter what I say, does it?'), grammar: 'root ::= "a"{5,5}' },
    check: (body) => isMatch('a{5,5}', first(body).message.content),
  },
  ...invalidCases,
  {
    name: 'test_chat_completion_with_timings_per_token',
    path: '/v1/chat/completions',
    stream: true,
    body: {
      max_tokens: 10,
      messages: [{ role: 'user', content: 'test' }],
      stream: true,
      stream_options: { include_usage: true },
      timings_per_token: true,
    },
    check: (events) => (events.at(-1).data.timings ? undefined : 'no timings'),
  },
  {
    name: 'test_logprobs',
    path: '/v1/chat/completions',
    body: asked,
    check: (body) => logprobsAre(first(body).logprobs.content, first(body).message.content),
  },
  {
    name: 'test_logprobs_stream',
    path: '/v1/chat/completions',
    stream: true,
    body: { ...asked, stream: true },
    check: (events) =>
      logprobsAre(
        streamed(events, ({ logprobs }) => logprobs?.content).flat(),
        streamed(events, ({ delta }) => delta.content).join(''),
      ),
  },
  {
    name: 'test_logit_bias',
    path: '/v1/tokenize',
    body: { content: ` ${EXCLUDED.join(' ')} ` },
    again: ({ tokens }) => ({
      path: '/v1/chat/completions',
      body: {
        ...{ temperature: 0, max_tokens: 64, messages: book('What is the best book') },
        logit_bias: Object.fromEntries(tokens.map((token) => [token, -100])),
      },
      check: (body) => {
        const text = first(body).message.content;
        return EXCLUDED.some((word) => text.includes(` ${word} `)) ? `got ${text}` : undefined;
      },
    }),
  },
  {
    name: 'test_context_size_exceeded',
    path: '/v1/chat/completions',
    body: tooLong,
    status: 400,
    check: isContextError,
  },
  {
    name: 'test_context_size_exceeded_stream',
    path: '/v1/chat/completions',
    body: { ...tooLong, stream: true },
    status: 400,
    check: isContextError,
  },
  {
    name: 'test_completion_with_openai_library',
    path: '/v1/completions',
    body: { prompt: LIFE, max_tokens: 8, seed: 42 },
    check: (body) =>
      firstOf(isEqual('finish_reason', first(body).finish_reason, 'length'), isMatch('(going|bed)+', first(body).text)),
  },
  {
    name: 'test_completion_stream_with_openai_library',
    path: '/v1/completions',
    stream: true,
    body: { prompt: LIFE, max_tokens: 8, seed: 42, stream: true },
    check: (events) => isMatch('(going|bed)+', streamed(events, ({ text }) => text).join('')),
  },
  {
    name: 'test_consistent_result_same_seed (over /v1/completions)',
    path: '/v1/completions',
    body: { prompt: LIFE, max_tokens: 16, seed: 42, temperature: 0 },
    again: (before) => ({
      path: '/v1/completions',
      body: { prompt: LIFE, max_tokens: 16, seed: 42, temperature: 0 },
      check: (body) => isEqual('text', first(body).text, first(before).text),
    }),
  },
  {
    name: 'test_completion_with_tokens_input (over /v1/completions)',
    path: '/v1/tokenize',
    body: { content: LIFE, add_special: true },
    again: ({ tokens }) => ({
      path: '/v1/completions',
      body: { prompt: [tokens, LIFE], max_tokens: 8, temperature: 0 },
      check: ({ choices }) => isEqual('texts', choices[0].text, choices[1].text),
    }),
  },
  {
    name: 'test_embedding_single',
    path: '/v1/embeddings',
    body: { input: LIFE },
    check: ({ data }) => {
      const norm = data[0].embedding.reduce((sum, x) => sum + x * x, 0);
      return data.length === 1 && Math.abs(norm - 1) < 1e-3 ? undefined : `norm ${norm}`;
    },
  },
  {
    name: 'test_embedding_multiple',
    path: '/v1/embeddings',
    body: {
      input: [
        LIFE,
        'Write a joke about AI from a very long prompt which will not be truncated',
        'This is a test',
        'This is another test',
      ],
    },
    check: ({ data }) => isEqual('vectors', data.length, 4),
  },
  ...embeddingCases,
  {
    name: 'test_embedding_error_prompt_too_long',
    path: '/v1/embeddings',
    body: { input: 'This is a test '.repeat(512) },
    status: isError,
    check: ({ error }) => isMatch('too large', error.message),
  },
  {
    name: 'test_same_prompt_give_same_result',
    path: '/v1/embeddings',
    body: { input: [LIFE, LIFE, LIFE] },
    check: ({ data }) => isEqual('vectors', JSON.stringify(data[1].embedding), JSON.stringify(data[0].embedding)),
  },
  {
    name: 'test_embedding_openai_library_base64',
    path: '/v1/embeddings',
    body: { input: 'Test base64 embedding output' },
    again: ({ data }) => ({
      path: '/v1/embeddings',
      body: { input: 'Test base64 embedding output', encoding_format: 'base64' },
      check: (body) => {
        const bytes = Uint8Array.from(Buffer.from(body.data[0].embedding, 'base64'));
        const floats = new Float32Array(bytes.buffer);
        return floats.every((x, i) => Math.abs(x - data[0].embedding[i]) < 1e-3) ? undefined : 'other numbers';
      },
    }),
  },
];

/** Of test_security.py: the server asks for the key `key`. */
export const llamaKeyCases = (key) => [
  ...['/health', '/v1/models'].map((path) => ({ name: `test_access_public_endpoint[${path}]`, path })),
  ...[undefined, 'Bearer invalid-key'].map((authorization) => ({
    name: `test_incorrect_api_key[${authorization ?? 'none'}]`,
    path: '/v1/completions',
    headers: authorization ? { authorization } : {},
    body: { prompt: LIFE, max_tokens: 4 },
    status: 401,
    check: ({ error }) => isEqual('type', error.type, 'authentication_error'),
  })),
  {
    name: 'test_openai_library_correct_api_key',
    path: '/v1/chat/completions',
    headers: { authorization: `Bearer ${key}` },
    body: { messages: book('What is the meaning of life?', 'You are a chatbot.'), max_tokens: 8 },
    check: ({ choices }) => isEqual('choices', choices.length, 1),
  },
  ...[
    ['localhost', 'access-control-allow-origin', 'localhost'],
    ['web.mydomain.fr', 'access-control-allow-origin', 'web.mydomain.fr'],
    ['origin', 'access-control-allow-credentials', 'true'],
    ['web.mydomain.fr', 'access-control-allow-methods', 'GET, POST'],
    ['web.mydomain.fr', 'access-control-allow-headers', '*'],
  ].map(([origin, header, value]) => ({
    name: `test_cors_options[${origin}, ${header}]`,
    method: 'OPTIONS',
    path: '/v1/completions',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'Authorization' },
    status: (status) => status < 300,
    check: (_, { headers }) => isEqual(header, headers.get(header), value),
  })),
];
