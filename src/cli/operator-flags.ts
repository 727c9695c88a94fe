// Owns the flags by which an operator watches over answers, the same for a server, for a worker that answers its batches and for tools of assistants: mark, policy, audit log, the bound of
// keys. Must not know what answers.
import { type Command, Option } from 'commander';
import type { ServerOptions } from '../server/app.ts';
import { openAuditFile } from './audit-file.ts';
import { refuseAlone, wholeNumber } from './context.ts';
import { watermarkKey } from './watermark-key.ts';

export interface OperatorFlags {
  watermark?: string;
  policy?: string;
  policyFail?: 'open' | 'closed';
  audit?: string;
  auditTexts?: boolean;
  keyTokensPerDay?: number;
}

/** Adds --watermark, --policy, --audit and what belongs to them, and the bound of keys. */
export function addOperatorOptions(command: Command): Command {
  return addAnswerRules(command).option(
    '--key-tokens-per-day <n>',
    'tokens a day of each API key that says nothing of it, 0 for no bound (default: 2,000,000)',
    wholeNumber(0, 1e15),
  );
}

/** Adds --watermark, --policy, --audit and what belongs to them. */
export function addAnswerRules(command: Command): Command {
  refuseAlone(command, ['policyFail'], 'policy');
  refuseAlone(command, ['auditTexts'], 'audit');
  return command
    .option('--watermark <key>', 'mark all answers by a secret key, or @FILE; see onebit detect', watermarkKey)
    .option(
      '--policy <url>',
      'ask this address about requests and answers before they pass (token: ONEBIT_POLICY_TOKEN)',
    )
    .addOption(
      new Option('--policy-fail <how>', 'where the policy cannot be asked: nothing passes, or all')
        .choices(['closed', 'open'])
        .default('closed'),
    )
    .option('--audit <file>', 'write down who asked for what, as hashes in a chain; see onebit verify --audit')
    .option('--audit-texts', 'with --audit: the texts too');
}

/** What the flags mean for a server. `close` when it has ended. @throws OnebitError as `openAuditFile` */
export async function openOperator({
  watermark,
  policy,
  policyFail: onFailure,
  audit: path,
  auditTexts: texts,
}: OperatorFlags): Promise<{
  options: Pick<ServerOptions, 'watermark' | 'policy' | 'audit'>;
  close(): Promise<void>;
}> {
  const { policyEndpoint } = await import('../server/policy.ts');
  const token = process.env.ONEBIT_POLICY_TOKEN;
  const asked = policy === undefined ? undefined : policyEndpoint(policy, { token, onFailure });
  const sink = path === undefined ? undefined : await openAuditFile(path);
  return {
    options: { watermark, policy: asked, audit: sink && { sink, texts } },
    close: async () => sink?.close(),
  };
}
