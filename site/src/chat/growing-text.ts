// Owns a text that grows token by token in linear time: what comes is put in once a frame, and each line is an element of its own, so that a frame lays out
// the last lines and no more. Must not know what a message is.
import { el } from '../dom.ts';

/** A piece to show: text, or an element with text. */
type Piece = string | HTMLElement;

/** Tokens of a line after which it is cut at the end of a sentence: a browser lays out a line anew whenever it grows. */
const LONG_LINE = 400;
/** Tokens after which it is cut wherever it is. */
const LONGEST_LINE = 1000;
const SENTENCE_END = /[.!?。！？…।؟]\s*$/;

export class GrowingText {
  readonly #root: HTMLElement;
  readonly #grown: () => void;
  #line: HTMLElement | undefined;
  #waiting: Piece[] = [];
  #due = 0;

  /** @param grown called after pieces were put in */
  constructor(root: HTMLElement, grown: () => void) {
    this.#root = root;
    this.#grown = grown;
  }

  /** Begins a line; what was there is somebody else's. */
  restart(): void {
    this.#line = undefined;
  }

  add(piece: Piece): void {
    this.#waiting.push(piece);
    this.#due ||= requestAnimationFrame(() => this.flush());
    // Pages in the background get no frames.
    if (this.#waiting.length > 200) this.flush();
  }

  /** Puts everything in now. */
  flush(): void {
    cancelAnimationFrame(this.#due);
    this.#due = 0;
    if (this.#waiting.length === 0) return;
    for (const piece of this.#waiting) {
      if (!this.#line) {
        this.#line = el('div', { class: 'line', dir: 'auto' });
        this.#root.append(this.#line);
      }
      this.#line.append(piece);
      const text = typeof piece === 'string' ? piece : piece.textContent!;
      const { length } = this.#line.childNodes;
      const full = length >= LONGEST_LINE || (length > LONG_LINE && SENTENCE_END.test(text));
      if (full || text.endsWith('\n')) this.#line = undefined;
    }
    this.#waiting = [];
    this.#grown();
  }
}
