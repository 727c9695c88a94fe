// Options that only mean something beside another one.
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addAbstainOptions } from './calibration-file.ts';
import { addAnswerRules } from './operator-flags.ts';

const parse = (args: string[]) => {
  const command = addAnswerRules(addAbstainOptions(new Command('serve')));
  command.exitOverride().configureOutput({ writeErr: () => {} });
  command.action(() => {});
  return () => command.parse(args, { from: 'user' });
};

test.each([
  [['--abstain-below', '0.9'], '--abstain-below needs --abstain'],
  [['--abstain-answer', 'Ask.'], '--abstain-answer needs --abstain'],
  [['--audit-texts'], '--audit-texts needs --audit'],
  [['--policy-fail', 'open'], '--policy-fail needs --policy'],
])('what would guard nothing is refused: %j', (args, message) => {
  expect(parse(args)).toThrow(message);
});

test('beside what they belong to they pass', () => {
  expect(parse(['--abstain', 'x', '--abstain-below', '0.9', '--audit', 'y', '--audit-texts'])).not.toThrow();
  expect(parse([])).not.toThrow();
});
