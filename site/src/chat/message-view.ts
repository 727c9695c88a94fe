// Owns one message on the page: its text as tokens that can be looked at, what can be done with it, how it came about.
import { el } from '../dom.ts';
import { digits, milliseconds } from '../format.ts';
import type { AlternativesCard } from './alternatives.ts';
import type { AnswerPiece, AnswerStats, ShownToken } from './talkers.ts';

/** What people do with messages. */
export interface MessageActions {
  retry(): void;
  edit(text: string): void;
}

/** What a user said; it can be edited, which asks again. */
export function userMessage(content: string, actions: Pick<MessageActions, 'edit'>): HTMLElement {
  const article = el('article', { class: 'message user', 'aria-label': 'You' });
  const show = () => {
    article.replaceChildren(
      el('div', { class: 'text' }, content),
      el(
        'div',
        { class: 'actions' },
        copyButton(() => content),
        el('button', { type: 'button', onclick: edit }, 'Edit'),
      ),
    );
  };
  const edit = () => {
    const input = el('textarea', {
      'aria-label': 'Edit your message',
      rows: Math.min(8, content.split('\n').length + 1),
    });
    input.value = content;
    const save = () => {
      const text = input.value.trim();
      if (text !== '') actions.edit(text);
    };
    input.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') show();
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      save();
    });
    article.replaceChildren(
      input,
      el(
        'div',
        { class: 'row end' },
        el('button', { type: 'button', onclick: show }, 'Cancel'),
        el('button', { type: 'button', class: 'primary', onclick: save }, 'Ask again'),
      ),
    );
    input.focus();
  };
  show();
  return article;
}

/** An answer that grows. */
export class AnswerView {
  readonly element = el('article', { class: 'message answer', 'aria-label': 'Answer' });
  readonly #text = el('div', { class: 'text', tabindex: 0, 'aria-label': 'Answer. Arrow keys go through its tokens.' });
  readonly #foot = el('div', { class: 'actions' });
  readonly #card: AlternativesCard;
  readonly #actions: Pick<MessageActions, 'retry'>;
  readonly #tokens = new Map<HTMLElement, readonly ShownToken[]>();
  #content = '';
  #selected: HTMLElement | undefined;

  constructor(card: AlternativesCard, actions: Pick<MessageActions, 'retry'>) {
    this.#card = card;
    this.#actions = actions;
    this.#text.append(el('span', { class: 'waiting', 'aria-hidden': 'true' }));
    this.element.append(this.#text, this.#foot);
    this.#listen();
  }

  get content(): string {
    return this.#content;
  }

  add({ text, tokens }: AnswerPiece): void {
    if (this.#content === '') this.#text.replaceChildren();
    this.#content += text;
    if (tokens.length === 0) {
      this.#text.append(text);
      return;
    }
    const span = el('span', { class: 'token' }, text);
    const least = Math.min(...tokens.map(({ logprob = 0 }) => logprob));
    // How surprising: nothing for what was certain, all of it from one in a hundred on.
    span.style.setProperty('--surprise', Math.min(1, -least / 4.6).toFixed(2));
    this.#tokens.set(span, tokens);
    this.#text.append(span);
  }

  /** The answer is complete, or was stopped. */
  end(stats: AnswerStats | undefined, note?: string | HTMLElement): void {
    this.#text.querySelector('.waiting')?.remove();
    this.element.classList.add('ended');
    const parts: string[] = [];
    if (stats) {
      parts.push(
        `${stats.tokens} tokens`,
        `${digits(stats.tokensPerSecond)} tokens/s`,
        `first after ${milliseconds(stats.firstTokenMs)}`,
      );
      if (stats.cutOff) parts.push('cut off at its longest length');
      if (stats.leftOut > 0) parts.push(`the oldest ${stats.leftOut} messages did not fit`);
    }
    if (typeof note === 'string') parts.push(note);
    else if (note) this.element.insertBefore(note, this.#foot);
    this.#foot.replaceChildren(
      copyButton(() => this.#content),
      el('button', { type: 'button', onclick: () => this.#actions.retry() }, 'Retry'),
      el('span', { class: 'stats' }, parts.join(' · ')),
    );
  }

  #listen(): void {
    const spanOf = (event: Event) => (event.target as Element).closest<HTMLElement>('.token') ?? undefined;
    const show = (event: Event, aloud = false) => {
      const span = spanOf(event);
      if (span) this.#card.show(span, this.#tokens.get(span) ?? [], aloud);
    };
    this.#text.addEventListener('pointerover', (event) => {
      if (event.pointerType === 'mouse') show(event);
    });
    this.#text.addEventListener('pointerleave', () => this.#card.hide());
    this.#text.addEventListener('click', (event) => show(event));
    this.#text.addEventListener('blur', () => this.#select(undefined));
    this.#text.addEventListener('keydown', (event) => {
      const spans = [...this.#tokens.keys()];
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step === undefined || spans.length === 0) return;
      event.preventDefault();
      const at = this.#selected ? spans.indexOf(this.#selected) + step : step > 0 ? 0 : spans.length - 1;
      this.#select(spans[Math.max(0, Math.min(spans.length - 1, at))]);
    });
  }

  #select(span: HTMLElement | undefined): void {
    this.#selected?.classList.remove('selected');
    this.#selected = span;
    if (!span) {
      this.#card.hide();
      return;
    }
    span.classList.add('selected');
    span.scrollIntoView({ block: 'nearest' });
    this.#card.show(span, this.#tokens.get(span) ?? [], true);
  }
}

function copyButton(text: () => string): HTMLButtonElement {
  const button = el('button', { type: 'button' }, 'Copy');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'The browser refused';
    }
    setTimeout(() => {
      button.textContent = 'Copy';
    }, 1500);
  });
  return button;
}
