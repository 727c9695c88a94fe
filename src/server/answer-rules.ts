// Owns what a process asks of its answers, as digests by which another one sees whether it asks the same: the mark and the policy;
// and whether a batch may be answered here. Must not know queues.
import { sha256 } from '@noble/hashes/sha2.js';
import type { AnswerRules, BatchRecord } from '../bulk/job-store.ts';
import { hexOf } from '../core/digest.ts';
import type { LeftReason, QueueWork } from './job-queue.ts';
import type { Policy } from './policy.ts';

const DIGITS = 16;

/** The rules of answers that get this mark and are seen by this policy; of no mark and no policy none. */
export function answerRules(watermark: string | undefined, policy: Policy | undefined): AnswerRules | undefined {
  const rules = {
    ...(watermark === undefined ? {} : { watermark: digestOf(`watermark\0${watermark}`) }),
    ...(policy ? { policy: digestOf(`policy\0${policy.onFailure ?? 'closed'}\0${policy.name ?? ''}`) } : {}),
  };
  return Object.keys(rules).length === 0 ? undefined : rules;
}

/** Why answers to a batch would not be here what they are on the server that took it; empty where it may be answered here. More rules may hold than it asks. */
export function leaveReasons(
  { owner, rules }: Pick<BatchRecord, 'owner' | 'rules'>,
  { knows, rulesFor }: Pick<QueueWork, 'knows' | 'rulesFor'>,
): LeftReason[] {
  if (!knows(owner)) return ['unknown_key'];
  const own = rulesFor(owner);
  return (['watermark', 'policy'] as const).filter(
    (rule) => rules?.[rule] !== undefined && rules[rule] !== own?.[rule],
  );
}

function digestOf(text: string): string {
  return hexOf(sha256(new TextEncoder().encode(`onebit ${text}`))).slice(0, DIGITS);
}
