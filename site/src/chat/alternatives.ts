// Owns the card that tells how likely a token was and what else could have come. One for the page; shown for a pointer, a tap or the arrow keys.
import { el } from '../dom.ts';
import { percent, visible } from '../format.ts';
import type { ShownToken } from './talkers.ts';

export class AlternativesCard {
  readonly #card = el('div', { class: 'alternatives', id: 'alternatives', role: 'tooltip', hidden: true });
  readonly #told = el('p', { class: 'unseen', 'aria-live': 'polite' });
  #shownFor: HTMLElement | undefined;

  constructor() {
    document.body.append(this.#card, this.#told);
    addEventListener('scroll', () => this.hide(), { capture: true, passive: true });
    addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.hide();
    });
    addEventListener('pointerdown', (event) => {
      if (!(event.target as Element).closest?.('.token, .alternatives')) this.hide();
    });
  }

  /** Shows what `tokens` could have been beside `place`; `aloud` says it to screen readers too. */
  show(place: HTMLElement, tokens: readonly ShownToken[], aloud = false): void {
    const known = tokens.filter(({ top }) => top && top.length > 0);
    if (known.length === 0) {
      this.hide();
      return;
    }
    if (this.#shownFor === place && !this.#card.hidden) return;
    this.#shownFor?.removeAttribute('aria-describedby');
    this.#shownFor = place;
    place.setAttribute('aria-describedby', this.#card.id);
    this.#card.replaceChildren(...known.map(listOf));
    this.#card.hidden = false;
    this.#put(place.getClientRects()[0] ?? place.getBoundingClientRect());
    if (aloud) this.#told.textContent = known.map(spoken).join('. ');
  }

  hide(): void {
    this.#shownFor?.removeAttribute('aria-describedby');
    this.#shownFor = undefined;
    this.#card.hidden = true;
  }

  #put(rect: DOMRect): void {
    const { offsetWidth: width, offsetHeight: height } = this.#card;
    const left = Math.max(8, Math.min(rect.left - 12, innerWidth - width - 8));
    const above = rect.top - height - 8;
    this.#card.style.left = `${left}px`;
    this.#card.style.top = `${above > 8 ? above : rect.bottom + 8}px`;
  }
}

function listOf(token: ShownToken): HTMLElement {
  const shown = withChosen(token);
  const most = Math.max(...shown.map(({ logprob }) => Math.exp(logprob)));
  const rows = shown.map(({ text, logprob }) => {
    const chosen = text === token.text && logprob === token.logprob;
    const bar = el('span', { class: 'bar', 'aria-hidden': 'true' });
    bar.style.setProperty('--share', String(Math.exp(logprob) / most));
    return el(
      'li',
      { class: chosen ? 'chosen' : undefined },
      bar,
      el('code', {}, visible(text)),
      el('span', { class: 'number' }, percent(Math.exp(logprob))),
    );
  });
  return el('ol', {}, ...rows);
}

/** The alternatives, and the chosen token too where it is not among them. */
function withChosen({ text, logprob, top = [] }: ShownToken): readonly { text: string; logprob: number }[] {
  const isThere = logprob === undefined || top.some((other) => other.text === text && other.logprob === logprob);
  return isThere ? top : [...top, { text, logprob }];
}

function spoken({ text, logprob, top = [] }: ShownToken): string {
  const others = top.filter((other) => other.text !== text).slice(0, 3);
  const own = logprob === undefined ? '' : `, ${percent(Math.exp(logprob))}`;
  return `${text.trim() || visible(text)}${own}; instead ${others.map((other) => `${other.text.trim() || visible(other.text)}, ${percent(Math.exp(other.logprob))}`).join('; ')}`;
}
