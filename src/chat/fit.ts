// Owns which turns of a long conversation are left out.
import type { ChatMessage } from './messages.ts';

/**
 * The messages that fit: all, or without as few of the oldest turns as possible. What the system says first and the last turn stay, and a call is never
 * parted from its result. Asks `fits` a logarithmic number of times.
 */
export function fittingMessages(
  messages: readonly ChatMessage[],
  fits: (messages: readonly ChatMessage[]) => boolean,
): readonly ChatMessage[] {
  if (fits(messages)) return messages;
  const first = messages.findIndex(({ role }) => role !== 'system');
  const head = messages.slice(0, Math.max(0, first));
  const starts = messages.flatMap(({ role }, i) => (role === 'user' && i > first ? [i] : []));
  if (starts.length === 0) return messages;
  const from = (start: number) => [...head, ...messages.slice(start)];
  let [least, most] = [0, starts.length - 1];
  while (least < most) {
    const middle = (least + most) >> 1;
    if (fits(from(starts[middle]))) most = middle;
    else least = middle + 1;
  }
  return from(starts[least]);
}
