// Owns the guided story: five steps from a word to a bit, each with the place on the page that shows it. Must not know the model.
import { el } from '../dom.ts';

export interface StoryStep {
  readonly title: string;
  readonly text: string;
  /** The id of the section to show. */
  readonly place: string;
  /** The matrix to show in it. */
  readonly part?: 'token_embd' | 'attn_q';
}

const STEPS: readonly StoryStep[] = [
  {
    title: 'Words become tokens',
    text: 'The model reads pieces of words, never letters. Below, each box is one token; frequent words are a token of their own.',
    place: 'look-attention',
  },
  {
    title: 'A token is a row of bits',
    text: 'Every token owns one row of this matrix. A dot is a plus, a gap is a minus: that row is all that the model knows of the word by itself.',
    place: 'look-bits',
    part: 'token_embd',
  },
  {
    title: 'Layers are more bits',
    text: 'Each layer multiplies what it gets by matrices like this one. With signs for weights, multiplying is adding and subtracting.',
    place: 'look-bits',
    part: 'attn_q',
  },
  {
    title: 'Tokens look at each other',
    text: 'Choose a token: the darker another one is, the more was taken from it. Each head has learnt to look for something else.',
    place: 'look-attention',
  },
  {
    title: 'That is why it is small',
    text: 'Blocks of 128 signs share one number for their size. Written out as usual, the same weights would be fourteen times the file.',
    place: 'look-sizes',
  },
];

export class Story {
  readonly element = el('section', { class: 'card story', 'aria-label': 'A story in five steps' });
  /** Called when a step is shown. */
  onStep: (step: StoryStep) => void = () => {};
  #at = -1;

  constructor() {
    this.#draw();
  }

  #go(at: number): void {
    this.#at = at;
    this.#draw();
    if (STEPS[at]) this.onStep(STEPS[at]);
    this.element.querySelector<HTMLElement>('button.primary')?.focus({ preventScroll: true });
  }

  #draw(): void {
    const step = STEPS[this.#at];
    this.element.classList.toggle('open', step !== undefined);
    const button = (text: string, at: number, primary = false) =>
      el('button', { type: 'button', class: primary ? 'primary' : undefined, onclick: () => this.#go(at) }, text);
    if (!step) {
      this.element.replaceChildren(
        el('h2', {}, 'From a word to a bit, in five steps'),
        el('div', { class: 'row' }, button('Show me', 0, true)),
      );
      return;
    }
    const last = this.#at === STEPS.length - 1;
    this.element.replaceChildren(
      el('h2', {}, `${this.#at + 1} of ${STEPS.length}: ${step.title}`),
      el('p', { role: 'status' }, step.text),
      el(
        'div',
        { class: 'row' },
        button(last ? 'Done' : 'Next', last ? -1 : this.#at + 1, true),
        this.#at > 0 && button('Back', this.#at - 1),
        !last && button('Close', -1),
      ),
    );
  }
}
