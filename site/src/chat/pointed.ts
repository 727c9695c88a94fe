// Owns when the card of alternatives is fetched: with the first token that somebody points at.
import type { AlternativesCard } from './alternatives.ts';
import type { ShownToken } from './talkers.ts';

/** The card, as soon as it is here. */
export class PointedToken {
  #card: AlternativesCard | undefined;
  #wanted: (() => void) | undefined;

  /** As the card's. */
  show(place: HTMLElement, tokens: readonly ShownToken[], aloud = false): void {
    this.#wanted = () => this.#card?.show(place, tokens, aloud);
    if (this.#card) this.#wanted();
    else void this.#fetch();
  }

  hide(): void {
    this.#wanted = undefined;
    this.#card?.hide();
  }

  async #fetch(): Promise<void> {
    try {
      const { AlternativesCard } = await import('./alternatives.ts');
      this.#card ??= new AlternativesCard();
      this.#wanted?.();
    } catch {} // the words stay; the next token asks again
  }
}
