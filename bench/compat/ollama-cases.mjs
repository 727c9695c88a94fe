// What Ollama's integration tests (folder integration of ollama/ollama) ask of the routes that are here, and what they expect: names as there. Facts of that suite,
// written anew; the words that it looks for in answers need a model of billions of weights and are listed as such. Requests name the model that is served.
const SKY = 'why is the sky blue? Be brief but factual in your reply';
const options = { temperature: 0, seed: 123, num_predict: 24 };
const problemIn = (found) => found.find(([, isRight]) => !isRight)?.[0];
const durations = (last) => [
  ['total_duration', last.total_duration > 0],
  ['load_duration', last.load_duration > 0],
  ['prompt_eval_duration', last.prompt_eval_duration > 0],
  ['eval_count', last.eval_count > 0],
  ['eval_duration', last.eval_duration > 0],
];
const lastOf = (body) => (Array.isArray(body) ? body.at(-1) : body);
const details = ({ details }) =>
  ['format', 'family', 'parameter_size', 'quantization_level'].map((key) => [
    `details.${key}`,
    Boolean(details?.[key]),
  ]);
const bytesAre = ({ token, bytes }) => JSON.stringify(bytes) === JSON.stringify([...Buffer.from(token)]);
const logprobs = (list, top) =>
  problemIn([
    ['logprobs', list?.length > 0],
    ['a token is empty', list?.every(({ token }) => token !== '')],
    ['a logarithm above 0', list?.every(({ logprob }) => logprob <= 0)],
    ['bytes of a token', list?.every(bytesAre)],
    ['bytes of another token', list?.every(({ top_logprobs: others = [] }) => others.every(bytesAre))],
    [
      'number of others',
      list?.every(({ top_logprobs: others = [] }) =>
        top === 0 ? others.length === 0 : others.length > 0 && others.length <= top,
      ),
    ],
    [
      'order of others',
      list?.every(({ top_logprobs: others = [] }) =>
        others.every(({ logprob }, i) => i === 0 || others[i - 1].logprob >= logprob),
      ),
    ],
  ]);
const WORDS = { sky: ['rayleigh', 'scatter', 'atmosphere', 'wavelength', 'sunlight', 'light'] };
const saysOneOf = (words, text) =>
  words.some((word) => text.toLowerCase().includes(word)) ? undefined : `none of the words: ${text.slice(0, 60)}`;

const parameters = {
  type: 'object',
  required: ['location'],
  properties: { location: { type: 'string', description: 'The city name' } },
};
const weather = {
  type: 'function',
  function: { name: 'get_weather', description: 'Get the current weather for a location', parameters },
};
const SYSTEM = 'When the user asks for weather, call get_weather. Return only the tool call and do not answer in text.';
const BOSTON = 'Now call get_weather with location exactly Boston. Return only the tool call.';
const isBoston = (name, text) => {
  if (name !== 'get_weather') return `no call of get_weather: ${name}`;
  return JSON.parse(text).location?.toLowerCase() === 'boston' ? undefined : `arguments ${text}`;
};
const text = (content, type = 'text') => [{ type, text: content }];

export const ollamaCases = (model) => [
  ...[true, false].flatMap((stream) => [
    {
      name: `APIGenerate/${stream ? 'stream' : 'no_stream'}: fields`,
      path: '/api/generate',
      stream,
      body: { model, prompt: SKY, stream, options },
      check: (body) => {
        const last = lastOf(body);
        return problemIn([
          ['model', last.model],
          ['done_reason', last.done_reason],
          ...durations(last),
          ['context', last.context?.length > 0],
        ]);
      },
    },
    {
      name: `APIChat/${stream ? 'stream' : 'no_stream'}: fields`,
      path: '/api/chat',
      stream,
      body: { model, messages: [{ role: 'user', content: SKY }], stream, options },
      check: (body) => {
        const last = lastOf(body);
        return problemIn([
          ...[
            ['model', last.model],
            ['created_at', Date.parse(last.created_at) >= 0],
            ['done_reason', last.done_reason],
          ],
          ...[...durations(last), ['prompt_eval_count', last.prompt_eval_count > 0]],
        ]);
      },
    },
  ]),
  {
    name: 'BlueSky: the answer names light or scattering',
    path: '/api/chat',
    body: {
      model,
      messages: [{ role: 'user', content: SKY }],
      stream: false,
      options: { ...options, num_predict: 100 },
    },
    check: ({ message }) => saysOneOf(WORDS.sky, message.content),
  },
  {
    name: 'APIGenerate: the model is listed as running',
    path: '/api/ps',
    check: ({ models }) =>
      problemIn([
        ['models', models.length > 0],
        ...[
          ['model', models[0]?.model],
          ['size', models[0]?.size > 0],
          ['digest', models[0]?.digest],
        ],
        ...[...details(models[0] ?? {}), ['expires_at', Date.parse(models[0]?.expires_at) >= 0]],
      ]),
  },
  {
    name: 'APIListModels',
    path: '/api/tags',
    check: ({ models }) =>
      problemIn([
        ...[
          ['models', models.length > 0],
          ['name', models[0]?.name],
          ['modified_at', Date.parse(models[0]?.modified_at) >= 0],
        ],
        ...[['size', models[0]?.size > 0], ['digest', models[0]?.digest], ...details(models[0] ?? {})],
      ]),
  },
  {
    name: 'APIShowModel',
    path: '/api/show',
    body: { model },
    check: (body) =>
      problemIn([
        ...['license', 'modelfile', 'parameters', 'template'].map((key) => [key, Boolean(body[key])]),
        ...[
          ...details(body),
          ['model_info', Object.keys(body.model_info ?? {}).length > 0],
          ['modified_at', Date.parse(body.modified_at) >= 0],
        ],
      ]),
  },
  {
    name: 'APIGenerateLogprobs/no_logprobs',
    path: '/api/generate',
    body: { model, prompt: SKY, stream: false, options },
    check: (body) => (body.logprobs?.length > 0 ? 'logprobs' : undefined),
  },
  ...[0, 5].map((top) => ({
    name: `APIGenerateLogprobs/${top === 0 ? 'logprobs_only' : 'logprobs_with_top_5'}`,
    path: '/api/generate',
    body: { model, prompt: SKY, stream: false, logprobs: true, ...(top > 0 ? { top_logprobs: top } : {}), options },
    check: (body) => logprobs(body.logprobs, top),
  })),
  {
    name: 'APIChatLogprobs',
    path: '/api/chat',
    body: {
      model,
      messages: [{ role: 'user', content: 'Say hello in one word' }],
      stream: false,
      logprobs: true,
      top_logprobs: 3,
      options,
    },
    check: (body) => logprobs(body.logprobs, 3),
  },
  {
    name: 'LongInputContext',
    path: '/api/chat',
    body: {
      ...{ model, stream: false, options: { ...options, num_ctx: 128 } },
      messages: [{ role: 'user', content: `${'Oh, don’t speak to me of Austria. '.repeat(60)}What is this about?` }],
    },
    check: ({ message }) => (message.content.length > 0 ? undefined : 'no answer'),
  },
  {
    name: 'ContextExhaustion',
    path: '/api/chat',
    body: {
      model,
      stream: false,
      messages: [{ role: 'user', content: 'Write me a story in english with a lot of emojis' }],
      options: { ...options, num_ctx: 128, num_predict: 200 },
    },
    check: ({ message }) => (message.content.length > 0 ? undefined : 'no answer'),
  },
  {
    name: 'GenerateWithHistory: context is taken back',
    path: '/api/generate',
    body: { model, prompt: 'how do rainbows form? Be brief but factual in your reply', stream: false, options },
    again: ({ context }) => ({
      path: '/api/generate',
      body: { model, prompt: 'tell me more!', context, stream: false, options },
      check: (body) =>
        problemIn([
          ['response', body.response.length > 0],
          ['context', body.context?.length > context.length],
        ]),
    }),
  },
  {
    name: 'ToolCalling: a call with location',
    path: '/api/chat',
    stream: true,
    body: {
      model,
      messages: [{ role: 'user', content: 'Call get_weather with location set to San Francisco.' }],
      tools: [weather],
      options: { temperature: 0 },
    },
    check: (body) => {
      const call = body.flatMap(({ message }) => message?.tool_calls ?? []).at(-1);
      return problemIn([
        ['a call', call],
        ['name', call?.function.name === 'get_weather'],
        ['location', call?.function.arguments.location],
      ]);
    },
  },
  {
    name: 'ToolRoutes/ollama',
    path: '/api/chat',
    stream: true,
    body: {
      ...{
        model,
        tools: [weather],
        stream: true,
        think: false,
        options: { temperature: 0, num_predict: 256 },
        keep_alive: '10s',
      },
      messages: [
        { role: 'system', content: SYSTEM },
        { role: 'user', content: 'Call get_weather for Paris.' },
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ id: 'call_previous', function: { name: 'get_weather', arguments: { location: 'Paris' } } }],
        },
        { role: 'tool', content: '{"condition":"sunny"}', tool_name: 'get_weather', tool_call_id: 'call_previous' },
        { role: 'user', content: BOSTON },
      ],
    },
    check: (body) => {
      const call = body.flatMap(({ message }) => message?.tool_calls ?? []).at(-1);
      return isBoston(call?.function.name, JSON.stringify(call?.function.arguments ?? {}));
    },
  },
  {
    name: 'ToolRoutes/openai_chat_completions',
    path: '/v1/chat/completions',
    stream: true,
    body: {
      ...{ model, tools: [weather], stream: true, temperature: 0, max_tokens: 256, reasoning_effort: 'none' },
      messages: [
        { role: 'system', content: 'Tool protocol compatibility test.' },
        { role: 'developer', content: SYSTEM },
        { role: 'user', content: text('Call get_weather for Paris.') },
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            {
              id: 'call_previous',
              type: 'function',
              function: { name: 'get_weather', arguments: '{"location":"Paris"}' },
            },
          ],
        },
        { role: 'tool', tool_call_id: 'call_previous', content: text('{"condition":"sunny"}') },
        { role: 'user', content: BOSTON },
      ],
    },
    check: (events) => {
      const calls = events.flatMap(({ data }) => data.choices.flatMap(({ delta }) => delta.tool_calls ?? []));
      const joined = (key) => calls.map((call) => call.function?.[key] ?? '').join('');
      return isBoston(joined('name'), joined('arguments') || '{}');
    },
  },
  {
    name: 'ToolRoutes/openai_responses',
    path: '/v1/responses',
    stream: true,
    body: {
      ...{
        model,
        instructions: 'Tool protocol compatibility test.',
        stream: true,
        temperature: 0,
        max_output_tokens: 256,
        reasoning: { effort: 'none' },
      },
      input: [
        { type: 'message', role: 'developer', content: SYSTEM },
        { type: 'message', role: 'user', content: text('Call get_weather for Paris.', 'input_text') },
        { type: 'function_call', call_id: 'call_previous', name: 'get_weather', arguments: '{"location":"Paris"}' },
        { type: 'function_call_output', call_id: 'call_previous', output: text('{"condition":"sunny"}', 'input_text') },
        { type: 'message', role: 'user', content: BOSTON },
      ],
      tools: [
        { type: 'function', name: 'get_weather', description: weather.function.description, strict: false, parameters },
      ],
    },
    check: (events) => {
      const item = events.findLast(
        ({ event, data }) => event === 'response.output_item.done' && data.item.type === 'function_call',
      )?.data.item;
      return isBoston(item?.name, item?.arguments ?? '{}');
    },
  },
  {
    name: 'ToolRoutes/anthropic_messages',
    path: '/v1/messages',
    stream: true,
    headers: { 'anthropic-version': '2023-06-01' },
    body: {
      ...{ model, max_tokens: 256, stream: true, temperature: 0, thinking: { type: 'disabled' } },
      system: [
        ...text('Tool protocol compatibility test.'),
        { type: 'text', text: SYSTEM, cache_control: { type: 'ephemeral' } },
      ],
      messages: [
        { role: 'user', content: text('Call get_weather for Paris.') },
        { role: 'system', content: text('Runtime token budget update.') },
        {
          role: 'assistant',
          content: [{ type: 'tool_use', id: 'call_previous', name: 'get_weather', input: { location: 'Paris' } }],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'call_previous', content: text('{"condition":"sunny"}') },
            ...text(BOSTON),
          ],
        },
      ],
      tools: [{ name: 'get_weather', description: weather.function.description, input_schema: parameters }],
    },
    check: (events) => {
      const name = events.find(({ data }) => data.content_block?.type === 'tool_use')?.data.content_block.name;
      return isBoston(name, events.map(({ data }) => data.delta?.partial_json ?? '').join('') || '{}');
    },
  },
  {
    name: 'AllMiniLMEmbed: one vector',
    path: '/api/embed',
    body: { model, input: 'why is the sky blue?' },
    check: ({ embeddings, prompt_eval_count: count }) =>
      problemIn([
        ['vectors', embeddings.length === 1],
        ['prompt_eval_count', count > 0],
      ]),
  },
  {
    name: 'AllMiniLMBatchEmbed: two vectors',
    path: '/api/embed',
    body: { model, input: ['why is the sky blue?', 'why is the grass green?'] },
    check: ({ embeddings }) => problemIn([['vectors', embeddings.length === 2]]),
  },
  {
    name: 'AllMiniLMEmbeddings: the older route',
    path: '/api/embeddings',
    body: { model, prompt: 'why is the sky blue?' },
    check: ({ embedding }) => problemIn([['numbers', embedding.length > 1]]),
  },
  {
    name: 'EmbedTruncation: a long text is cut',
    path: '/api/embed',
    body: { model, input: ['short', 'long '.repeat(100), 'medium text'], truncate: true, options: { num_ctx: 30 } },
    check: ({ embeddings, prompt_eval_count: count }) =>
      problemIn([
        ['vectors', embeddings.length === 3],
        [`${count} tokens`, count <= 90],
      ]),
  },
  {
    name: 'EmbedStatusCode: a long text without truncate',
    path: '/api/embed',
    body: { model, input: 'very long input '.repeat(100), truncate: false, options: { num_ctx: 30 } },
    status: (status) => status >= 400 && status < 500,
  },
];
