// Chat templates of real models, rendered by us and by Jinja2: `node bench/templates/compare.mjs FOLDER [-v | --write]` after `npm run build`, with templates as
// *.jinja. They are not part of this repository: llama.cpp (models/templates) and huggingface.js (packages/jinja/test) hold many.
// --write keeps what became of those that play a tool loop, for docs/compatibility.md (bench/compat/table.mjs).
// Counted are the renderings that Jinja2 gives. Three kinds differ by design and are listed apart: templates that know no tools are told of them as text;
// no content beside calls is the empty text, as in vLLM and llama.cpp, where Jinja2 writes "None" or "null"; templates that know only content in parts get it so.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeResults } from '../compat/results.mjs';
import { conversations } from './conversations.mjs';

const [folder, flag] = process.argv.slice(2);
const shows = flag === '-v' || flag === '-vv';
const dist = process.env.ONEBIT_DIST ?? fileURLToPath(new URL('../../dist', import.meta.url));
const { ChatTemplate } = await import(join(dist, 'chat/template.js'));

const templates = Object.fromEntries(
  readdirSync(folder)
    .filter((name) => name.endsWith('.jinja'))
    .map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
);
const special = { bos_token: '<s>', eos_token: '</s>' };
/** Other forms of the same conversation, which we choose by design where Jinja2 gives nothing sensible. */
const FORMS = {
  'no content is the empty text': (message) => ({ ...message, content: message.content ?? '' }),
  'content in parts': (message) => ({ ...message, content: [{ type: 'text', text: message.content ?? '' }] }),
};
const requests = {};
const variants = {};
const given = new Map();
for (const [name, { messages, tools }] of Object.entries(conversations)) {
  for (const add_generation_prompt of [true, false]) {
    for (const enable_thinking of [false, true]) {
      const key = `${name}${add_generation_prompt ? ', to be answered' : ''}${enable_thinking ? ', thinking' : ''}`;
      const request = { ...special, messages, tools, documents: null, add_generation_prompt, enable_thinking };
      requests[key] = request;
      variants[key] = Object.fromEntries(Object.keys(FORMS).map((form) => [form, `${key} (${form})`]));
      for (const [form, change] of Object.entries(FORMS))
        requests[variants[key][form]] = { ...request, messages: messages.map(change) };
      given.set(key, messages);
    }
  }
}
const python = spawnSync('python3', [fileURLToPath(new URL('oracle.py', import.meta.url))], {
  input: JSON.stringify({ templates, requests }),
  maxBuffer: 1 << 30,
  encoding: 'utf8',
});
if (python.status !== 0) throw new Error(python.stderr);
const expected = JSON.parse(python.stdout);

const count = { same: 0, other: 0, byDesign: 0, refused: 0, mended: 0 };
const perTemplate = { same: 0, other: [], byDesign: [] };
const loops = { same: [], byDesign: [], other: [] };
const reasons = new Map();
for (const [name, source] of Object.entries(templates)) {
  const outcome = new Set();
  for (const [request, messages] of given) {
    const { tools, add_generation_prompt, enable_thinking } = requests[request];
    const ours = render(source, messages, {
      tools: tools ?? [],
      addGenerationPrompt: add_generation_prompt,
      thinking: enable_thinking,
    });
    const { text, error } = expected[name][request];
    const usesTools = tools !== null || messages.some(({ tool_calls, role }) => tool_calls || role === 'tool');
    if (text === undefined) {
      count[ours.text === undefined ? 'refused' : 'mended']++;
      if (flag === '-vv') console.log(`${name} / ${request}: Jinja2 ${error} | ours ${ours.error ?? 'renders'}`);
    } else if (text === ours.text) count.same++;
    else if (usesTools && !/\btools\b/.test(source)) {
      count.byDesign++;
      outcome.add('byDesign');
    } else if (formOf(expected[name], request, ours.text)) {
      count.byDesign++;
      outcome.add('byDesign');
      reasons.set(name, formOf(expected[name], request, ours.text));
    } else {
      count.other++;
      outcome.add('other');
      if (shows) console.log(`${name} / ${request}:\n${difference(text, ours)}`);
    }
  }
  if (expected[name]['tool loop, to be answered'].text !== undefined && /\btools\b/.test(source)) {
    if (outcome.has('other')) loops.other.push(name);
    else if (outcome.has('byDesign')) loops.byDesign.push(name);
    else loops.same.push(name);
  }
  if (outcome.has('other')) perTemplate.other.push(name);
  else if (outcome.has('byDesign')) perTemplate.byDesign.push(name);
  else perTemplate.same++;
}
console.log('renderings:', count);
console.log(
  `templates: ${perTemplate.same} the same, ${perTemplate.other.length} other, ${perTemplate.byDesign.length} tools as text by design`,
);
console.log('other:', perTemplate.other);
for (const [name, reason] of reasons) console.log(`by design, ${reason}: ${name}`);
console.log(
  `templates that know tools and play a tool loop: ${loops.same.length} the same in all conversations, ${loops.byDesign.length} but for the designs above, ${loops.other.length} other`,
);

if (flag === '--write') {
  const all = Object.entries(loops).flatMap(([outcome, names]) => names.map((name) => ({ name, outcome })));
  writeResults(
    'templates',
    all.map(({ name, outcome }) => ({
      name,
      passed: outcome === 'same',
      message: outcome === 'other' ? 'another prompt' : (reasons.get(name) ?? ''),
    })),
  );
}

/** The form of the conversation that Jinja2 renders as we do. */
function formOf(expected, request, text) {
  return Object.keys(FORMS).find((form) => text !== undefined && expected[variants[request][form]].text === text);
}

function render(source, messages, options) {
  try {
    return {
      text: new ChatTemplate(source, [], { bos: '<s>', eos: '</s>' }).render(messages.map(asOurs), options).join(''),
    };
  } catch (error) {
    return { error: error.message };
  }
}

function asOurs({ role, content, reasoning_content, tool_calls, tool_call_id, name }) {
  return {
    role,
    content: content ?? '',
    reasoning: reasoning_content,
    toolCalls: tool_calls?.map(({ id, function: { name, arguments: text } }) => ({ id, name, arguments: text })),
    toolCallId: tool_call_id,
    name,
  };
}

function difference(text, ours) {
  if (ours.text === undefined) return `  refused: ${ours.error}`;
  let at = 0;
  while (text[at] === ours.text[at]) at++;
  const show = (value) => JSON.stringify(value.slice(Math.max(0, at - 60), at + 80));
  return `  Jinja2 ${show(text)}\n  ours   ${show(ours.text)}`;
}
