// Owns showing what tokens look at: a small map a head, one of them large, and the text coloured by what a token looks at.
import type { AttentionMap } from 'onebit/browser';
import { colourOf, el } from '../dom.ts';
import { percent, visible } from '../format.ts';

export class AttentionView {
  readonly element = el('div', { class: 'attention' });
  readonly #map: AttentionMap;
  readonly #heads = el('div', { class: 'heads' });
  readonly #tokens = el('div', { class: 'tokens', role: 'group', 'aria-label': 'Tokens of the prompt' });
  readonly #large = el('canvas', { class: 'map large', role: 'img' });
  readonly #told = el('p', { role: 'status' });
  #layer: number;
  /** −1: the mean of all. */
  #head = -1;
  #row: number;

  /** @param bits shows the bits of a head; −1 for all of the layer */
  constructor(map: AttentionMap, bits: (layer: number, head: number) => void) {
    this.#map = map;
    this.#layer = map.layers - 1;
    this.#row = map.tokens.length - 1;
    const layer = el('input', {
      type: 'range',
      min: 0,
      max: map.layers - 1,
      value: this.#layer,
      'aria-label': 'Layer',
    });
    const name = el('output', {}, `layer ${this.#layer + 1} of ${map.layers}`);
    layer.addEventListener('input', () => {
      this.#layer = Number(layer.value);
      name.textContent = `layer ${this.#layer + 1} of ${map.layers}`;
      this.#draw();
    });
    this.#large.addEventListener('pointermove', (event) => {
      const rect = this.#large.getBoundingClientRect();
      const row = Math.floor(((event.clientY - rect.top) / rect.height) * map.tokens.length);
      this.#choose(Math.max(0, Math.min(map.tokens.length - 1, row)));
    });
    this.element.append(
      el(
        'div',
        { class: 'row' },
        layer,
        name,
        el('button', { type: 'button', onclick: () => bits(this.#layer, this.#head) }, 'The bits that ask this'),
      ),
      this.#tokens,
      this.#told,
      el('div', { class: 'maps' }, this.#large, this.#heads),
    );
    this.#draw();
  }

  #weight(head: number, row: number, column: number): number {
    const { heads, tokens, weights } = this.#map;
    const count = tokens.length;
    const at = (h: number) => weights[((this.#layer * heads + h) * count + row) * count + column];
    if (head >= 0) return at(head);
    let sum = 0;
    for (let h = 0; h < heads; h++) sum += at(h);
    return sum / heads;
  }

  #draw(): void {
    const buttons = Array.from({ length: this.#map.heads + 1 }, (_, i) => {
      const head = i - 1;
      const canvas = el('canvas', { class: 'map', 'aria-hidden': 'true' });
      this.#paint(canvas, head);
      const choose = () => {
        this.#head = head;
        this.#draw();
        (this.#heads.children[i] as HTMLElement).focus();
      };
      const pressed = this.#head === head ? 'true' : 'false';
      return el(
        'button',
        { type: 'button', 'aria-pressed': pressed, onclick: choose },
        canvas,
        el('small', {}, head < 0 ? 'mean' : `head ${head + 1}`),
      );
    });
    this.#heads.replaceChildren(...buttons);
    this.#paint(this.#large, this.#head);
    const what = this.#head < 0 ? 'the mean of all heads' : `head ${this.#head + 1}`;
    this.#large.setAttribute('aria-label', `Attention map of ${what}: rows look at columns`);
    this.#choose(this.#row);
  }

  #paint(canvas: HTMLCanvasElement, head: number): void {
    const count = this.#map.tokens.length;
    canvas.width = count;
    canvas.height = count;
    const context = canvas.getContext('2d')!;
    context.fillStyle = colourOf('--accent');
    for (let row = 0; row < count; row++) {
      for (let column = 0; column <= row; column++) {
        context.globalAlpha = Math.min(1, 0.04 + Math.sqrt(this.#weight(head, row, column)));
        context.fillRect(column, row, 1, 1);
      }
    }
  }

  #choose(row: number): void {
    this.#row = row;
    const { texts } = this.#map;
    const spans = texts.map((text, column) => {
      const share = column <= row ? this.#weight(this.#head, row, column) : 0;
      const button = el(
        'button',
        {
          type: 'button',
          'aria-pressed': column === row ? 'true' : 'false',
          onclick: () => this.#choose(column),
          title: `${visible(text)}: ${percent(share)}`,
        },
        visible(text),
      );
      button.style.setProperty('--share', Math.sqrt(share).toFixed(3));
      return button;
    });
    const hadFocus = this.#tokens.contains(document.activeElement);
    this.#tokens.replaceChildren(...spans);
    if (hadFocus) (this.#tokens.children[row] as HTMLElement).focus();
    const looks = texts
      .slice(0, row + 1)
      .map((text, column) => ({ text, share: this.#weight(this.#head, row, column) }))
      .sort((a, b) => b.share - a.share)
      .slice(0, 3);
    this.#told.textContent = `${visible(texts[row])} looks at ${looks.map(({ text, share }) => `${visible(text)} ${percent(share)}`).join(', ')}`;
  }
}
