// The conversations of compare.mjs: a tool loop and its neighbours, in OpenAI's form.
const call = (id, name, args) => ({ id, type: 'function', function: { name, arguments: args } });
const tool = (name, description, properties, required) => ({
  type: 'function',
  function: { name, description, parameters: { type: 'object', properties, required } },
});

export const tools = [
  tool(
    'find_ferry',
    'Finds ferries between two harbours.',
    {
      from: { type: 'string', description: 'Harbour' },
      to: { type: 'string', description: 'Harbour' },
      passengers: { type: 'integer', minimum: 1 },
      class: { type: 'string', enum: ['deck', 'cabin'] },
    },
    ['from', 'to'],
  ),
  tool('book', 'Books a ferry.', { ferry: { type: 'string' }, pets: { type: 'array', items: { type: 'string' } } }, [
    'ferry',
  ]),
];

const system = { role: 'system', content: 'You sell ferry tickets. Be brief.' };
const first = { role: 'user', content: 'A ferry from Tórshavn to Hirtshals for 2, please: "deck" & <cheap>.' };
const asked = {
  role: 'assistant',
  content: '',
  tool_calls: [
    call('c7Kd02xPq', 'find_ferry', '{"from": "Tórshavn", "to": "Hirtshals", "passengers": 2, "class": "deck"}'),
  ],
};
const found = {
  role: 'tool',
  tool_call_id: 'c7Kd02xPq',
  name: 'find_ferry',
  content: '{"ferries": [{"id": "N1", "price": 129.5}]}',
};
const answered = { role: 'assistant', content: 'The N1 costs 129.50 euros. Shall I book it?' };
const last = { role: 'user', content: '  Yes, with a dog.\n' };
const loop = [first, asked, found, answered, last];
const twice = {
  role: 'assistant',
  content: 'I look at both.',
  tool_calls: [
    call('c7Kd02xPq', 'find_ferry', '{"from": "A", "to": "B"}'),
    call('a1b2c3d4e', 'book', '{"ferry": "N1", "pets": ["dog"], "price": 1.0, "seat": null, "window": true}'),
  ],
};
const booked = { role: 'tool', tool_call_id: 'a1b2c3d4e', name: 'book', content: 'booked' };

export const conversations = {
  'tool loop': { messages: [system, ...loop], tools },
  'tool loop, no system': { messages: loop, tools },
  'tool loop, calls without content': {
    messages: [system, first, { ...asked, content: null }, found, answered, last],
    tools,
  },
  'results at the end': { messages: [system, first, asked, found], tools },
  'two calls': { messages: [first, twice, found, booked], tools },
  'tool loop, tools not given': { messages: [system, ...loop], tools: null },
  'tools, no calls': { messages: [system, first], tools },
  'no tools': { messages: [system, first, answered, last], tools: null },
  'no tools, no system': { messages: [first, answered, last], tools: null },
  thoughts: { messages: [first, { ...answered, reasoning_content: 'They want the cheap one.' }, last], tools: null },
};
