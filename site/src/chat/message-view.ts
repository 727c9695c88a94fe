// Owns one message on the page: its text as tokens that can be looked at, what can be done with it, how it came about.
import { el } from '../dom.ts';
import { digits, milliseconds } from '../format.ts';
import { GrowingText } from './growing-text.ts';
import type { PointedToken } from './pointed.ts';
import type { AnswerPiece, AnswerStats, ShownToken } from './talkers.ts';

/** What people do with messages. */
export interface MessageActions {
  retry(): void;
  edit(text: string): void;
}

/** What can be done with an answer. */
export interface AnswerActions extends Pick<MessageActions, 'retry'> {
  /** Shows what the model looked at for this text. */
  look?(text: string): void;
}

/** What a user said; it can be edited, which asks again. */
export function userMessage(content: string, actions: Pick<MessageActions, 'edit'>): HTMLElement {
  const article = el('article', { class: 'message user', 'aria-label': 'You' });
  const show = () => {
    article.replaceChildren(
      el('div', { class: 'text', dir: 'auto' }, content),
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

const THINK = '<think>';
const THOUGHT = '</think>';
/** What only Markdown looks like: fences, headings, lists, tables, quotes, bold, code, links. */
const MARKDOWN = /(^|\n)\s{0,3}(```|~~~|#{1,6} |[-*+] |\d{1,3}[.)] |\||> )|\*\*\S|`[^`\n]+`|\]\(https?:/;

/** An answer that grows. */
export class AnswerView {
  readonly element = el('article', { class: 'message answer', 'aria-label': 'Answer' });
  readonly #text = el('div', {
    class: 'text',
    dir: 'auto',
    tabindex: 0,
    role: 'group',
    'aria-label': 'Answer. Arrow keys go through its tokens.',
  });
  readonly #foot = el('div', { class: 'actions' });
  readonly #card: PointedToken;
  readonly #actions: AnswerActions;
  readonly #tokens = new Map<HTMLElement, readonly ShownToken[]>();
  readonly #growing: GrowingText;
  readonly #grown: () => void;
  #thoughts: { readonly element: HTMLElement; readonly title: HTMLElement; readonly text: GrowingText } | undefined;
  #thinks = false;
  #begun = false;
  #content = '';
  #selected: HTMLElement | undefined;

  /** @param grown called whenever there is more to see */
  constructor(card: PointedToken, actions: AnswerActions, grown: () => void = () => {}) {
    this.#card = card;
    this.#actions = actions;
    this.#grown = grown;
    this.#growing = new GrowingText(this.#text, grown);
    this.#text.append(el('span', { class: 'waiting', 'aria-hidden': 'true' }));
    this.element.append(this.#text, this.#foot);
    this.#listen();
  }

  /** What the model says, without what it thought before. */
  get content(): string {
    return this.#content;
  }

  add(piece: AnswerPiece): void {
    const { text } = piece;
    if (!this.#begun) this.#text.replaceChildren();
    if (piece.thinking) this.#think(text);
    else if (!this.#begun && text.trimStart().startsWith(THINK)) {
      this.#thinks = true;
      this.#think(text.trimStart().slice(THINK.length));
    } else if (this.#thinks || (text.includes(THOUGHT) && !this.#thoughts)) this.#thinkUntil(piece);
    else this.#say(piece);
    this.#begun = true;
  }

  #say({ text, tokens }: AnswerPiece): void {
    if (this.#thoughts && !this.#thinks && this.#content === '') {
      this.#thoughts.title.textContent = 'Thought';
      if (text.trim() === '') return;
    }
    this.#content += text;
    if (tokens.length === 0) {
      this.#growing.add(text);
      return;
    }
    const span = el('span', { class: 'token' }, text);
    const least = Math.min(...tokens.map(({ logprob = 0 }) => logprob));
    // How surprising: nothing for what was certain, all of it from one in a hundred on.
    span.style.setProperty('--surprise', Math.min(1, -least / 4.6).toFixed(2));
    this.#tokens.set(span, tokens);
    this.#growing.add(span);
  }

  #think(text: string): void {
    if (!this.#thoughts) {
      const title = el('summary', {}, 'Thinking …');
      const body = el('div', { class: 'thoughts' });
      const element = el('details', { class: 'thinking' }, title, body);
      this.element.prepend(element);
      this.#thoughts = { element, title, text: new GrowingText(body, () => {}) };
    }
    this.#thoughts.text.add(text);
  }

  /** A piece in which thinking may end. Some templates open the thought themselves: then all that came before was one. */
  #thinkUntil({ text, tokens }: AnswerPiece): void {
    const end = text.indexOf(THOUGHT);
    if (!this.#thinks) {
      this.#think(this.#content);
      this.#content = '';
      this.#growing.flush();
      this.#tokens.clear();
      this.#text.replaceChildren();
      this.#growing.restart();
    }
    this.#thinks = end < 0;
    if (end < 0) this.#think(text);
    else {
      this.#think(text.slice(0, end));
      const rest = text.slice(end + THOUGHT.length);
      if (rest.trim() !== '') this.#say({ text: rest, tokens });
      else this.#thoughts!.title.textContent = 'Thought';
    }
  }

  /** The answer is complete, or was stopped. */
  end(stats: AnswerStats | undefined, note?: string | HTMLElement): void {
    this.#growing.flush();
    this.#thoughts?.text.flush();
    if (this.#thoughts) this.#thoughts.title.textContent = 'Thought';
    this.#text.querySelector('.waiting')?.remove();
    this.element.classList.add('ended');
    const parts: string[] = [];
    if (stats) {
      parts.push(`${stats.tokens} tokens`);
      if (stats.tokensPerSecond !== undefined) parts.push(`${digits(stats.tokensPerSecond)} tokens/s`);
      parts.push(`first after ${milliseconds(stats.firstTokenMs)}`);
      if (stats.cutOff) parts.push('cut off at its longest length');
      if (stats.leftOut > 0) parts.push(`the oldest ${stats.leftOut} messages did not fit`);
    }
    if (typeof note === 'string') parts.push(note);
    else if (note) this.element.insertBefore(note, this.#foot);
    const { look } = this.#actions;
    this.#foot.replaceChildren(
      copyButton(() => this.#content),
      el('button', { type: 'button', onclick: () => this.#actions.retry() }, 'Retry'),
      look && this.#content.trim() !== ''
        ? el('button', { type: 'button', onclick: () => look(this.#content) }, 'Look inside')
        : '',
      el('span', { class: 'stats' }, parts.join(' · ')),
    );
    if (MARKDOWN.test(this.#content)) void this.#showMarkdown();
  }

  /** Puts the formatted text beside the tokens, one of the two visible. */
  async #showMarkdown(): Promise<void> {
    try {
      const { markdown } = await import('./markdown.ts');
      const shown = el('div', { class: 'text formatted', dir: 'auto' }, markdown(this.#content));
      const button = el('button', { type: 'button', 'aria-pressed': 'false' }, 'Tokens');
      button.addEventListener('click', () => {
        const toTokens = this.#text.hidden;
        this.#text.hidden = !toTokens;
        shown.hidden = toTokens;
        button.setAttribute('aria-pressed', String(toTokens));
      });
      this.#text.hidden = true;
      this.#text.before(shown);
      this.#foot.querySelector('.stats')?.before(button);
      this.#grown();
    } catch {} // without it the plain text stays
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
