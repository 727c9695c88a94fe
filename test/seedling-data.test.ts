// The conversations that the seedling is taught with: the agent repeats what was said and nothing else, and the same seed gives the same file.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ChatMessage } from '../src/chat/messages.ts';

const script = fileURLToPath(new URL('../scripts/seedling-conversations.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'onebit-seedling-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, seed: string): ChatMessage[][] {
  const options = ['--count', '400', '--seed', seed, '--words', join(folder, 'words.txt')];
  const messages = ['--off-path', join(folder, 'intents.csv'), '--off-path', join(folder, 'fields.jsonl')];
  execFileSync(process.execPath, [script, '-o', join(folder, name), ...options, ...messages], { stdio: 'ignore' });
  const lines = readFileSync(join(folder, name), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line).messages);
}

let conversations: ChatMessage[][];
beforeAll(() => {
  writeFileSync(
    join(folder, 'words.txt'),
    'the copper lantern, a velvet harbour and some quiet meadow, where marble rivers meet.',
  );
  writeFileSync(
    join(folder, 'intents.csv'),
    'text,intent\n"my lamp, it is broken",repair\nbook me a table at the corner,restaurant_reservation\nwhen do the shops close,store_times\n',
  );
  writeFileSync(join(folder, 'fields.jsonl'), '{"text":"change my seat on the flight","intent":"changeseat"}\n');
  conversations = write('one.jsonl', '1');
});

test('the same seed gives the same conversations, another one others', () => {
  expect(write('again.jsonl', '1')).toEqual(conversations);
  expect(write('other.jsonl', '2')).not.toEqual(conversations);
});

test('whatever name or number the agent says, the customer said before', () => {
  const fixed =
    /\b(I|A|At|Sorry|English|For|From|How|Where|Would|Is|On|In|What|You|Your|Shall|Can|Hello|Goodbye|Have|Enjoy|All|Thank)\b/g;
  let checked = 0;
  for (const messages of conversations) {
    let said = '';
    for (const { role, content } of messages) {
      if (role !== 'assistant') {
        said += ` ${content.toLowerCase()}`;
        continue;
      }
      for (const [word] of content.replace(fixed, '').matchAll(/(?<![\p{L}\d])(?:\p{Lu}[\p{L}]+|\d+)/gu)) {
        expect(said, content).toContain(word.toLowerCase());
        checked++;
      }
    }
  }
  expect(checked).toBeGreaterThan(1000);
});

test('messages beyond the trade are declined, and those of the trade are not among them', () => {
  const all = conversations.flatMap((messages) =>
    messages.map(({ content }, i) => [content, messages[i + 1]?.content ?? '']),
  );
  const answered = (message: RegExp) => all.filter(([content]) => message.test(content)).map(([, answer]) => answer);
  expect(answered(/^my lamp/i)[0]).toMatch(/^Sorry, I can only book/);
  expect(answered(/^when do the shops close/i)[0]).toMatch(/^Sorry, I do not know that/);
  expect(answered(/change my seat/i)[0]).toMatch(/^Sorry/);
  expect(answered(/at the corner/i)).toEqual([]);
});

test('every kind of conversation is there', () => {
  const answers = conversations.flatMap((messages) =>
    messages.filter(({ role }) => role === 'assistant').map(({ content }) => content),
  );
  for (const like of [
    /^A table at/,
    /^A stay at/,
    /^A .*ride/,
    /booked/,
    /seedling/,
    /only understand English/,
    /did not understand/,
    /You said:/,
  ])
    expect(answers.some((answer) => like.test(answer))).toBe(true);
});

test('customers also say when before where, list bare values, and change two things at once', () => {
  const asked = conversations.flat().filter(({ role }) => role === 'user');
  const much = (like: RegExp) => asked.filter(({ content }) => like.test(content)).length;
  expect(
    much(
      /^(on|from|at|for) [^.?!]{2,40} (I need|I want|I'd like|I would like|we need|we want|we'd like|we would like|we have to|please book|book|can I|can we|could you|get me|reserve) /i,
    ),
  ).toBeGreaterThan(1);
  expect(much(/^(table|dinner|lunch|room|hotel|taxi|cab|a table|a room)[^,]*, [^,]+, [^,]+/i)).toBeGreaterThan(3);
  expect(much(/^(two changes|two things|change of plan|please change both|both wrong|new plan)/i)).toBeGreaterThan(1);
});

test('a city that is told without its restaurant has a word before it', () => {
  for (const messages of conversations) {
    for (const [i, { role, content }] of messages.entries()) {
      const next = messages[i + 1]?.content ?? '';
      const city = /^A table in (.+?)(?: for | on | at |\. )/.exec(next)?.[1];
      const asked = / in |which city/.test(messages[i - 1]?.content ?? '');
      const told = role === 'user' && !asked && city !== undefined && content.includes(city);
      if (told) expect(content.toLowerCase()).toMatch(/\b(in|city|town)\b/);
    }
  }
});
