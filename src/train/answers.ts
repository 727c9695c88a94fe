// Owns asking a model in training what its text asks: the questions of a small corpus, and whether they are answered as the corpus answers them. That is
// what a text of a few pages can teach; bits per byte of held-out text say nothing there. Must not know schedules or files.
import type { ChatMessage } from '../chat/messages.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { turnsOf } from './corpus-chat.ts';
import { hashText, type TrainingDocument } from './corpus-document.ts';
import type { DocumentEncoder } from './corpus-tokens.ts';
import type { Trainer } from './trainer-types.ts';

/** How a conversation of the corpus begins, and what its text may answer. */
export interface Question {
  /** The last user's turn. */
  readonly question: string;
  /** All turns before the answer. */
  readonly messages: readonly ChatMessage[];
  readonly answers: ReadonlySet<string>;
}

/** A question with what the model says. */
export interface Answer {
  readonly question: string;
  /** What the model says, the likeliest token each time. */
  readonly text: string;
  /** An answer of the corpus. */
  readonly expected: string;
  /** Whether the model says, to the letter, what the corpus says. */
  readonly right: boolean;
}

/** What a model answered. */
export interface AnswerScore {
  readonly right: number;
  readonly asked: number;
  readonly answers: readonly Answer[];
}

/** A corpus of more questions is not learnt by heart, so nobody asks it all of them. */
const MOST_QUESTIONS = 200;
/** Tokens after which an answer is not what the corpus says anyway. */
const SLACK_TOKENS = 4;

/**
 * The beginnings of a corpus's conversations, each once, in an order that is random but the same for a seed; none where there are more than
 * MOST_QUESTIONS of them.
 */
export function questionsOf(documents: readonly TrainingDocument[], seed: number): Question[] {
  const found = new Map<string, { question: string; messages: readonly ChatMessage[]; answers: Set<string> }>();
  for (const document of documents) {
    const turns = turnsOf(document) ?? [];
    const at = turns.findIndex(({ role }) => role === 'assistant');
    if (at < 1 || turns[at - 1].role !== 'user') continue;
    const messages = turns.slice(0, at);
    const key = JSON.stringify(messages);
    const known = found.get(key) ?? { question: messages[at - 1].content, messages, answers: new Set() };
    found.set(key, known);
    known.answers.add(turns[at].content.trim());
    if (found.size > MOST_QUESTIONS) return [];
  }
  const order = [...found].map(([key, question]) => ({ question, hash: hashText(key, seed) }));
  return order.sort((a, b) => a.hash - b.hash).map(({ question }) => question);
}

/** Asks `questions` one after the other; those that do not fit the context are left out. */
export async function askQuestions(
  trainer: Trainer,
  tokenizer: Tokenizer,
  encoder: DocumentEncoder,
  questions: readonly Question[],
  signal?: AbortSignal,
): Promise<AnswerScore> {
  const answers: Answer[] = [];
  for (const { question, messages, answers: expected } of questions) {
    const tokens = encoder.prompt(messages);
    const longest = Math.max(...[...expected].map((answer) => tokenizer.encode(answer).length));
    if (tokens.length + longest >= trainer.shape.contextLength) continue;
    const how = { most: longest + SLACK_TOKENS, ends: tokenizer.endOfGeneration };
    const text = tokenizer.decode(await trainer.goOn(tokens, how, signal)).trim();
    const right = expected.has(text);
    answers.push({ question, text, expected: right ? text : [...expected][0], right });
  }
  return { right: answers.filter(({ right }) => right).length, asked: answers.length, answers };
}
