// Makes a choice task of dialogues: which of four replies goes on with the conversation, the others being replies of other dialogues. Rows for `--task choices=`.
//   node bench/evaluate/dialogue-choices.mjs ../shared/data/lm/sgd-dev.txt 400 > choices.jsonl
import { readFileSync } from 'node:fs';
import { Random } from '../../dist/core/random.js';

const [path, count = '400', seed = '1'] = process.argv.slice(2);
const random = new Random(Number(seed));
const dialogues = readFileSync(path, 'utf8')
  .split(/\n\s*\n/)
  .map((text) => text.trim().split('\n'))
  .filter((turns) => turns.length >= 4 && turns.every((turn) => /^(User|Agent): /.test(turn)));
const replies = dialogues.flatMap((turns, d) =>
  turns.flatMap((turn, t) =>
    t > 0 && turn.startsWith('Agent: ') ? [{ d, t, text: turn.slice('Agent: '.length) }] : [],
  ),
);
for (let i = 0; i < Number(count); i++) {
  const { d, t, text } = replies[random.below(replies.length)];
  const choices = [text];
  while (choices.length < 4) {
    const other = replies[random.below(replies.length)];
    if (other.d !== d && !choices.includes(other.text)) choices.push(other.text);
  }
  const label = random.below(4);
  [choices[0], choices[label]] = [choices[label], choices[0]];
  const context = `${dialogues[d].slice(Math.max(0, t - 3), t).join('\n')}\nAgent:`;
  console.log(JSON.stringify({ context, choices, label }));
}
