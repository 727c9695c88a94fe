// Owns the other forms of a conversation that are tried where a template refuses the usual one. Must not know templates.
import type { Conversation, Turn } from './conversation.ts';
import { indexOf } from './jinja/search.ts';
import type { Work } from './jinja/work.ts';
import { describeTools, writeToolsAsText } from './tool-text.ts';

/** A change of form; gives the conversation itself where there is nothing to change. */
export type Adaptation = (conversation: Conversation) => Conversation;

/** Names of functions that are looked for: a template leaves out all calls, or none. */
const MOST_NAMES = 32;

/** What was said last, or a call, of which `text` has nothing. `work` pays for looking. */
export function missingFrom(text: string, { turns }: Conversation, work: Work): readonly ('words' | 'calls')[] {
  const isMissing = (part: string) => {
    work.scan(text.length);
    return indexOf(text, part, 0, work) < 0;
  };
  const last = turns.findLast(({ role }) => role === 'user')?.content;
  const words = typeof last === 'string' && isMissing(last.trim());
  const names = new Set(turns.flatMap(({ tool_calls = [] }) => tool_calls.map((call) => call.function.name)));
  const calls = [...names].slice(-MOST_NAMES).some(isMissing);
  return [...(words ? (['words'] as const) : []), ...(calls ? (['calls'] as const) : [])];
}

export function adaptationsThatMayFind(missing: readonly ('words' | 'calls')[]): Adaptation[] {
  return [
    ...(missing.includes('words') ? [contentAsParts] : []),
    ...(missing.includes('calls') ? [withoutContent] : []),
  ];
}

/** For templates that write arguments as the text they are. */
function textArguments(conversation: Conversation): Conversation {
  if (conversation.textArguments || !conversation.turns.some(({ tool_calls }) => tool_calls)) return conversation;
  return { ...conversation, textArguments: true };
}

/** For templates that insist on ids of nine letters and digits, as Mistral's do, or on the names of functions with results. */
function fittingIds(conversation: Conversation): Conversation {
  const { turns } = conversation;
  if (!turns.some(({ role, tool_calls }) => tool_calls || role === 'tool')) return conversation;
  let count = 0;
  let open: { id: string | undefined; made: string; name: string }[] = [];
  const made = (id: string | undefined) =>
    id !== undefined && /^[a-zA-Z0-9]{9}$/.test(id) ? id : `call${String(++count).padStart(5, '0')}`;
  const fitted = turns.map((turn): Turn => {
    if (turn.tool_calls) {
      open = turn.tool_calls.map(({ id, function: { name } }) => ({ id, made: made(id), name }));
      return { ...turn, tool_calls: turn.tool_calls.map((call, i) => ({ ...call, id: open[i].made })) };
    }
    if (turn.role !== 'tool') return turn;
    const named = open.findIndex(({ id }) => id !== undefined && id === turn.tool_call_id);
    const [call] = open.splice(Math.max(0, named), 1);
    return { ...turn, tool_call_id: call?.made ?? made(turn.tool_call_id), name: turn.name ?? call?.name ?? 'unknown' };
  });
  return { ...conversation, turns: fitted };
}

/** For templates without a system role: its text goes before the next user's. */
function systemAsUser(conversation: Conversation): Conversation {
  if (!conversation.turns.some(({ role }) => role === 'system')) return conversation;
  const turns: Turn[] = [];
  let waiting = '';
  for (const turn of conversation.turns) {
    if (turn.role === 'system') waiting = joined(waiting, String(turn.content ?? ''));
    else if (turn.role === 'user' && waiting !== '') {
      turns.push({ ...turn, content: joined(waiting, String(turn.content ?? '')) });
      waiting = '';
    } else turns.push(turn);
  }
  if (waiting !== '') turns.push({ role: 'user', content: waiting });
  return { ...conversation, turns };
}

/** For templates whose roles must alternate: turns of one speaker become one. */
function mergedTurns(conversation: Conversation): Conversation {
  const turns: Turn[] = [];
  for (const turn of conversation.turns) {
    const before = turns.at(-1);
    const both = [before, turn].every((turn) => turn && typeof turn.content === 'string' && !turn.tool_calls);
    if (both && before!.role === turn.role && turn.role !== 'tool') {
      turns[turns.length - 1] = { ...before!, content: joined(before!.content as string, turn.content as string) };
    } else turns.push(turn);
  }
  return turns.length === conversation.turns.length ? conversation : { ...conversation, turns };
}

/** For templates that know only content in parts. */
export function contentAsParts(conversation: Conversation): Conversation {
  const { turns } = conversation;
  if (!turns.some(({ content }) => typeof content === 'string')) return conversation;
  return {
    ...conversation,
    turns: turns.map((turn) =>
      typeof turn.content === 'string' ? { ...turn, content: [{ type: 'text', text: turn.content }] } : turn,
    ),
  };
}

/** For templates that take a turn with calls for one only if nothing was said in it. */
function withoutContent(conversation: Conversation): Conversation {
  const isEmpty = (turn: Turn) => turn.tool_calls && turn.content === '';
  if (!conversation.turns.some(isEmpty)) return conversation;
  return {
    ...conversation,
    turns: conversation.turns.map((turn) => (isEmpty(turn) ? { ...turn, content: null } : turn)),
  };
}

/** For templates that do not know tools, or not in this form: tools, calls and results become text. */
export function withToolsAsText(conversation: Conversation): Conversation {
  const { turns, tools } = conversation;
  if (!tools && !turns.some(({ role, tool_calls }) => tool_calls || role === 'tool')) return conversation;
  return { ...conversation, turns: writeToolsAsText(turns, tools ? describeTools(tools) : ''), tools: null };
}

function joined(before: string, after: string): string {
  return before === '' || after === '' ? before + after : `${before}\n\n${after}`;
}

/** In the order in which they are tried. */
export const ADAPTATIONS: readonly Adaptation[] = [
  textArguments,
  fittingIds,
  systemAsUser,
  contentAsParts,
  withoutContent,
  mergedTurns,
  withToolsAsText,
];
