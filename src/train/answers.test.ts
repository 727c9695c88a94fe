import { expect, test } from 'vitest';
import { questionsOf } from './answers.ts';
import { train } from './train.ts';
import type { TrainDone, TrainProgress } from './train-options.ts';

const said = (question: string, answer: string) => ({ text: `User: ${question}\nAgent: ${answer}` });

test('questions are the beginnings of conversations, each once with all its answers', () => {
  const documents = [
    said('Open?', 'Yes.'),
    said('Open?', 'Until six.'),
    { text: 'User: Where?\nAgent: Here.\nUser: Open?\nAgent: No.' },
    { text: 'Just a text.' },
    {
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Open?' },
        { role: 'assistant', content: 'Yes.' },
      ],
    } as const,
  ];
  const found = questionsOf(documents, 1);
  expect(found.map(({ question }) => question).sort()).toEqual(['Open?', 'Open?', 'Where?']);
  const plain = found.find(({ question, messages }) => question === 'Open?' && messages.length === 1);
  expect([...plain!.answers].sort()).toEqual(['Until six.', 'Yes.']);
  expect(questionsOf(documents, 1)).toEqual(found);
  const many = Array.from({ length: 500 }, (_, i) => said(`Number ${i}?`, 'Yes.'));
  expect(questionsOf(many, 1)).toEqual([]);
});

test('a run tells what it answers on the way, and at the end how many of the corpus’s questions are right', async () => {
  const documents = [said('Who bakes?', 'The baker bakes.'), said('Who rows?', 'The ferryman rows.')];
  const events: TrainProgress[] = [];
  for await (const event of train({ documents, recipe: { steps: 160 }, threads: 1, askOnTheWay: 1 }))
    events.push(event);
  const asked = events.filter((event) => event.type === 'answers');
  expect(asked.length).toBeGreaterThan(10);
  expect(new Set(asked.map(({ answers }) => answers[0].question)).size).toBe(1);
  const done = events.at(-1) as TrainDone;
  expect(done.answers).toMatchObject({ asked: 2, right: 2 });
  expect(done.answers!.answers[0].text).toMatch(/^The (baker bakes|ferryman rows)\.$/);
  expect(done.validation).toBeUndefined();
  const notices = events.filter((event) => event.type === 'notice').map(({ message }) => message);
  expect(notices.join(' ')).toMatch(/little text: \d+ characters.*nothing is held out/);
  const samples = events.filter((event) => event.type === 'sample');
  expect(samples[0].prompt).toMatch(/^Who (bakes|rows)\?$/);
}, 240_000);
