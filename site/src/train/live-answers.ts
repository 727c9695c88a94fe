// Owns what a model in training answers, as people watch it: a few fixed questions, what it says to them now, and how many are right.
import type { AnswerScore } from 'onebit/browser';
import { el } from '../dom.ts';

/** Questions that are asked on the way. */
export const LIVE_QUESTIONS = 8;

export class LiveAnswers {
  readonly root = el('section', { class: 'card live', hidden: true, 'aria-label': 'What it answers' });
  readonly #score = el('b', { class: 'score' });
  readonly #told = el('span');
  readonly #bar = el('meter', {
    min: 0,
    max: 1,
    value: 0,
    'aria-label': 'Share of the questions that it answers right',
  });
  readonly #list = el('ul', { class: 'answers' });

  constructor() {
    this.root.append(el('p', { class: 'score-line' }, this.#score, this.#told), this.#bar, this.#list);
  }

  clear(): void {
    this.root.hidden = true;
    this.#list.replaceChildren();
  }

  /** Shows the fixed questions with the answers of now. */
  show(score: AnswerScore): void {
    this.#count(score, 'questions right so far');
    this.#list.replaceChildren(...score.answers.map(({ question, text, right }) => rowOf(question, text, right)));
  }

  /** Shows the end: how many of all questions, and those that are still wrong. */
  end(score: AnswerScore): void {
    const all = score.right === score.asked;
    this.#count(score, all ? 'questions of the text right. It knows them all.' : 'questions of the text right.');
    const wrong = score.answers.filter(({ right }) => !right).slice(0, 3);
    const right = score.answers.filter((answer) => answer.right).slice(0, LIVE_QUESTIONS - wrong.length);
    this.#list.replaceChildren(
      ...[...right, ...wrong].map((answer) => rowOf(answer.question, answer.text, answer.right)),
    );
  }

  #count({ right, asked }: AnswerScore, what: string): void {
    this.root.hidden = false;
    this.#score.textContent = `${right} of ${asked}`;
    this.#told.textContent = ` ${what}`;
    this.#bar.value = right / Math.max(1, asked);
  }
}

function rowOf(question: string, text: string, right: boolean): HTMLElement {
  return el(
    'li',
    { class: right ? 'right' : 'wrong' },
    el('span', { class: 'mark', role: 'img', 'aria-label': right ? 'right' : 'not right yet' }, right ? '✓' : '·'),
    el('span', { class: 'question', dir: 'auto' }, question),
    el('span', { class: 'said', dir: 'auto' }, text === '' ? '…' : text),
  );
}
