// Owns conversations as training data: JSONL messages, dialogues with speaker labels, and the texts in which a chat template puts them.
// Must not know tokens or models.
import type { ChatMessage } from '../chat/messages.ts';
import type { ChatTemplate } from '../chat/template.ts';
import { OnebitError } from '../errors.ts';
import type { TrainingDocument } from './corpus-document.ts';

const ROLES = new Set(['system', 'user', 'assistant', 'tool']);

/**
 * Conversations of JSONL text: one `{"messages": [{"role", "content"}]}` a line, or `{"text"}`; empty lines are skipped.
 * @throws OnebitError `bad-file` naming the first line that is something else
 */
export function parseChatLines(name: string, text: string): TrainingDocument[] {
  const documents: TrainingDocument[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const wrong = (what: string) =>
      new OnebitError(
        'bad-file',
        `read corpus: ${name} line ${index + 1} must be {"messages": [{"role": ..., "content": ...}, ...]}, ${what}. Repair the line.`,
      );
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw wrong('it is no JSON');
    }
    documents.push(documentOf(value, wrong));
  }
  return documents;
}

function documentOf(value: unknown, wrong: (what: string) => OnebitError): TrainingDocument {
  const { messages, text } = (value ?? {}) as { messages?: unknown; text?: unknown };
  if (typeof text === 'string' && messages === undefined) return { text };
  if (!Array.isArray(messages) || messages.length === 0) throw wrong('it has no messages');
  for (const message of messages) {
    if (!ROLES.has(message?.role)) throw wrong('a role is none of system, user, assistant, tool');
    if (typeof message.content !== 'string') throw wrong('a content is no text');
  }
  if (!messages.some(({ role }) => role === 'assistant'))
    throw wrong('no turn is the assistant’s, so nothing to learn');
  return { messages: messages.map(({ role, content }) => ({ role, content })) };
}

/** How texts name who speaks, in small letters. */
const SPEAKERS: ReadonlyMap<string, ChatMessage['role']> = new Map([
  ...['user', 'customer', 'human', 'client', 'guest', 'visitor', 'caller', 'patient', 'student', 'question', 'q'].map(
    (name) => [name, 'user'] as const,
  ),
  // In dialogue data sets the machine is often called the system.
  ...['agent', 'assistant', 'system', 'bot', 'support', 'staff', 'clerk', 'shop', 'operator', 'teacher', 'ai'].map(
    (name) => [name, 'assistant'] as const,
  ),
  ...['answer', 'a'].map((name) => [name, 'assistant'] as const),
]);

/** The turns of a dialogue in which each line starts with its speaker (`User: ...`, `Agent: ...`), or nothing where the text is none. */
export function parseDialogue(text: string): ChatMessage[] | undefined {
  const messages: { role: ChatMessage['role']; content: string }[] = [];
  for (const line of text.split('\n')) {
    const match = /^([A-Za-z]+): ?(.*)$/.exec(line);
    const role = match ? SPEAKERS.get(match[1].toLowerCase()) : undefined;
    if (!match || !role) return undefined;
    const previous = messages[messages.length - 1];
    if (previous?.role === role) previous.content += `\n${match[2]}`;
    else messages.push({ role, content: match[2] });
  }
  return messages.length > 1 && messages.some(({ role }) => role === 'assistant') ? messages : undefined;
}

/** The turns of a document that is a conversation, in whichever form it is written. */
export function turnsOf(document: TrainingDocument): readonly ChatMessage[] | undefined {
  return 'messages' in document ? document.messages : parseDialogue(document.text);
}

/**
 * The texts of documents as training shows them, to make a vocabulary from. In the form of a chat the names of the roles stand in every turn, and
 * sentences begin a line: a vocabulary made of the plain form would spell both letter by letter, and sequences would be twice as long.
 * @param asChat whether dialogues are shown in the chat template
 */
export function* vocabularyTexts(documents: readonly TrainingDocument[], asChat: boolean): Generator<string> {
  for (const document of documents) {
    const turns = 'messages' in document || asChat ? turnsOf(document) : undefined;
    if (turns) yield turns.map(({ role, content }) => `${role}\n${content}\n`).join('');
    else if ('text' in document) yield document.text;
  }
}

/** A stretch of a rendered conversation: pieces to encode one by one (see `ChatTemplate.render`), and whether it is to be learnt. */
export interface ChatStretch {
  readonly pieces: readonly string[];
  readonly learn: boolean;
}

/** Between pieces while stretches are compared; `render` has removed it from content. */
const JOINT = '\uFDD0';

/**
 * A conversation as the template puts it, cut so that the assistant's turns (with what ends them) are the stretches to learn.
 * @throws OnebitError `unsupported` when the template writes earlier turns differently once later ones follow
 */
export function renderForTraining(messages: readonly ChatMessage[], template: ChatTemplate): ChatStretch[] {
  const render = (count: number, addGenerationPrompt: boolean) =>
    template.render(messages.slice(0, count), { addGenerationPrompt }).join(JOINT);
  const all = render(messages.length, false);
  const stretches: ChatStretch[] = [];
  let done = 0;
  const add = (to: number, learn: boolean) => {
    const pieces = all
      .slice(done, to)
      .split(JOINT)
      .filter((piece) => piece !== '');
    if (pieces.length > 0) stretches.push({ pieces, learn });
    done = to;
  };
  for (const [index, { role }] of messages.entries()) {
    if (role !== 'assistant') continue;
    const before = render(index, true);
    const turn = render(index + 1, false);
    if (!all.startsWith(before) || !all.startsWith(turn) || turn.length < before.length) {
      throw new OnebitError(
        'unsupported',
        "train: the model's chat template must write a turn the same whatever follows it, this one does not. Train on text instead.",
      );
    }
    add(before.length, false);
    // White space after the end of a turn is the template's, nobody generates it.
    add(turn.trimEnd().length, true);
  }
  add(all.length, false);
  return stretches;
}
