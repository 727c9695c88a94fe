// Owns what a process asks of its answers, as digests by which another one sees whether it asks the same: the mark and the policy. Must not know batches.
import { sha256 } from '@noble/hashes/sha2.js';
import type { AnswerRules } from '../bulk/job-store.ts';
import { hexOf } from '../core/digest.ts';
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

/** Which of the rules `wanted` do not hold where `own` ones do. More than is wanted may hold. */
export function brokenRules(wanted: AnswerRules | undefined, own: AnswerRules | undefined): (keyof AnswerRules)[] {
  return (['watermark', 'policy'] as const).filter(
    (rule) => wanted?.[rule] !== undefined && wanted[rule] !== own?.[rule],
  );
}

function digestOf(text: string): string {
  return hexOf(sha256(new TextEncoder().encode(`onebit ${text}`))).slice(0, DIGITS);
}
