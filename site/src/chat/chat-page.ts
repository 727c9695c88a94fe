// Owns the conversation: what was said, asking, stopping, asking again.
import type { ChatMessage } from 'onebit/browser';
import { el, errorBox, isAbort } from '../dom.ts';
import { bytes } from '../format.ts';
import { forgetAll, keepConversation, keptConversation } from '../kept.ts';
import { EMBEDDED, type ModelSlot } from '../model-slot.ts';
import { Banner } from './banner.ts';
import { AnswerView, userMessage } from './message-view.ts';
import { PointedToken } from './pointed.ts';
import { SettingsPanel } from './settings.ts';
import { type Ask, askHere } from './talkers.ts';

/** For the model that comes with onebit, wherever it runs. */
const SUGGESTIONS = [
  'I would like to book a table for two.',
  'I need a hotel in London for three nights.',
  'Can you find me a taxi to the station?',
];

const BOOKS = 'It learnt from booking dialogues, so ask it for a table, a hotel or a ride; anything else it declines.';

/** For a model of which nothing is known. */
const ANYONE = ['What can you help me with?', 'Write a haiku about rain.', 'Explain what a language model is.'];

export class ChatPage {
  readonly #slot: ModelSlot;
  readonly #card = new PointedToken();
  readonly #panel = new SettingsPanel();
  readonly #banner = new Banner();
  readonly #log = el('div', { class: 'log', role: 'log', 'aria-label': 'Conversation', tabindex: 0 });
  readonly #input = el('textarea', {
    'aria-label': 'Message',
    placeholder: 'Write a message',
    rows: 1,
    dir: 'auto',
    enterkeyhint: 'send',
  });
  readonly #send = el('button', { class: 'primary' }, 'Send');
  readonly #stop = el('button', { type: 'button', class: 'stop', hidden: true }, 'Stop');
  /** Where what is written goes. */
  readonly #goes = el('small');
  #messages: ChatMessage[] = [];
  #running: AbortController | undefined;
  #ask: Ask;
  /** Kept once it is known who answers: what is said before waits. */
  #asks: Promise<unknown> = Promise.resolve();
  /** A server's model that answers in place of the page's. */
  #elsewhere: string | undefined;

  readonly #look: (text: string) => void;

  /** @param look shows what the model looks at in a text */
  constructor(root: HTMLElement, slot: ModelSlot, look: (text: string) => void) {
    this.#slot = slot;
    this.#look = look;
    this.#ask = askHere(slot);
    const form = el('form', { class: 'composer' }, this.#input, this.#stop, this.#send);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.say(this.#input.value);
    });
    this.#input.addEventListener('input', () => this.#grow());
    this.#input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    this.#stop.addEventListener('click', () => this.#running?.abort(new DOMException('Stopped.', 'AbortError')));
    const foot = el(
      'div',
      { class: 'composer-foot' },
      el('button', { type: 'button', onclick: () => this.startAnew() }, 'New chat'),
      el('button', { type: 'button', onclick: () => this.#panel.dialog.showModal() }, 'Settings'),
      this.#goes,
    );
    root.append(
      el('h1', { class: 'unseen' }, 'Chat'),
      this.#banner.element,
      this.#log,
      el('div', { class: 'bottom' }, form, foot),
    );
    this.#panel.onForget = () => {
      forgetAll();
      location.reload();
    };
    this.#restore();
    slot.watch((event) => {
      if (event.type !== 'ready') return;
      this.#panel.setMode(slot.talks ? 'chat' : 'continue');
      if (this.#elsewhere === undefined) this.#panel.showOwn(slot.model?.info.sampling);
      this.#banner.follow(slot.choice);
      if (this.#messages.length === 0) this.#welcome();
    });
  }

  /** Where the browser has a keyboard, people can write at once. */
  show(): void {
    if (matchMedia('(pointer: fine)').matches) this.#input.focus({ preventScroll: true });
  }

  /** The server's model that answers, if one does. */
  get elsewhere(): string | undefined {
    return this.#elsewhere;
  }

  /** Answers come from the model in this page. */
  answerHere(): void {
    this.#elsewhere = undefined;
    this.#panel.showOwn(this.#slot.model?.info.sampling);
    this.#ask = askHere(this.#slot);
    this.startAnew();
  }

  /** Answers come from a server, in a new conversation unless this one `goesOn`. */
  answerFrom(name: string, ask: Ask, goesOn = false): void {
    this.#elsewhere = name;
    this.#panel.showOwn(undefined);
    this.#ask = ask;
    if (!goesOn) this.startAnew();
    else if (this.#running) this.#tellWhere();
    else this.#restore();
  }

  /** Who answers is known when `known` is kept; until then nobody is asked. */
  waitFor(known: Promise<unknown>): void {
    this.#asks = known;
  }

  /** Shows the conversation of the last visit, or welcomes. */
  #restore(): void {
    const kept = keptConversation();
    this.#messages = [];
    if (kept.length === 0) {
      this.#welcome();
      return;
    }
    this.#log.replaceChildren();
    const toEnd = () => this.#follow(true);
    for (const { role, content } of kept) {
      const at = this.#messages.push({ role, content }) - 1;
      if (role === 'user') this.#log.append(userMessage(content, { edit: (changed) => this.#editFrom(at, changed) }));
      else {
        const view = this.#answerView(at, toEnd);
        view.add({ text: content, tokens: [] });
        view.end(undefined);
        this.#log.append(view.element);
      }
    }
    this.#tellWhere();
    requestAnimationFrame(toEnd); // the page may not be laid out yet
  }

  /** Forgets the conversation. */
  startAnew(): void {
    this.#running?.abort(new DOMException('Stopped.', 'AbortError'));
    this.#messages = [];
    keepConversation([]);
    this.#welcome();
    this.#input.value = '';
    this.#grow();
  }

  /** Says something and lets the model answer. */
  say(text: string): void {
    const content = text.trim();
    if (content === '' || this.#running) return;
    if (this.#messages.length === 0) this.#log.replaceChildren();
    this.#input.value = '';
    this.#grow();
    const at = this.#messages.length;
    this.#messages.push({ role: 'user', content });
    this.#log.append(userMessage(content, { edit: (changed) => this.#editFrom(at, changed) }));
    void this.#answer();
  }

  #answerView(at: number, grown = () => this.#follow()): AnswerView {
    // What a server's own model looked at nobody here can tell.
    const isHere = this.#elsewhere === undefined || this.#elsewhere === EMBEDDED.label;
    const look = isHere ? (text: string) => this.#look(text) : undefined;
    return new AnswerView(this.#card, { retry: () => this.#retryFrom(at), look }, grown);
  }

  #tellWhere(): void {
    this.#goes.textContent =
      this.#elsewhere === undefined
        ? 'Nothing you write leaves this page.'
        : 'What you write goes to the server of this page.';
  }

  #welcome(): void {
    const { choice } = this.#slot;
    const name = this.#elsewhere ?? choice.label;
    const isOwn = this.#elsewhere === undefined && choice.input === undefined;
    const talks = this.#elsewhere !== undefined || this.#slot.talks;
    const suggestions =
      isOwn || this.#elsewhere === EMBEDDED.label
        ? SUGGESTIONS
        : this.#elsewhere !== undefined
          ? ANYONE
          : (choice.suggestions ?? []);
    this.#tellWhere();
    this.#log.replaceChildren(
      el(
        'div',
        { class: 'welcome' },
        el('h2', { class: 'title' }, isOwn ? 'A language model in one megabyte' : name),
        el(
          'p',
          {},
          isOwn
            ? `Every weight of it is one bit. All ${bytes(choice.fileBytes ?? 0)} of it are in this page, and run on your machine. ${BOOKS}`
            : this.#elsewhere !== undefined
              ? `This model runs on the server that gave you this page, with an API like OpenAI’s at /v1. ${this.#elsewhere === EMBEDDED.label ? BOOKS : 'Ask it something, or train and look inside a small one in this tab.'}`
              : talks
                ? 'This model runs in this page, on your machine.'
                : 'This model goes on with a text. Begin one.',
        ),
        suggestions.length > 0 &&
          el(
            'div',
            { class: 'suggestions' },
            ...suggestions.map((text) => el('button', { type: 'button', onclick: () => this.say(text) }, text)),
          ),
        el('p', { class: 'tip' }, 'Point at a word of an answer to see what else it could have been.'),
        el(
          'p',
          { class: 'tip' },
          'In your program: ',
          el('code', {}, 'npm install onebit'),
          ' · ',
          el('a', { href: __SOURCE__, rel: 'noopener' }, 'source'),
        ),
      ),
    );
  }

  /** Changes what was said at `index` and asks again from there. */
  #editFrom(index: number, content: string): void {
    this.#cutTo(index);
    this.say(content);
  }

  #retryFrom(index: number): void {
    this.#cutTo(index);
    void this.#answer();
  }

  #cutTo(index: number): void {
    this.#running?.abort(new DOMException('Stopped.', 'AbortError'));
    this.#running = undefined;
    this.#messages.length = index;
    while (this.#log.children.length > index) this.#log.lastElementChild!.remove();
  }

  async #answer(): Promise<void> {
    const at = this.#messages.length;
    const running = new AbortController();
    this.#running = running;
    const view = this.#answerView(at);
    this.#log.append(view.element);
    this.#log.setAttribute('aria-busy', 'true'); // said when it is whole, not token by token
    this.#busy(true);
    this.#follow(true);
    this.#banner.wait();
    try {
      await this.#asks;
      const said = this.#messages.filter(({ content }) => content !== '');
      const stats = await this.#ask(said, this.#panel.settings, running.signal, (piece) => {
        view.add(piece);
        this.#banner.speak(piece.tokens);
      });
      view.end(stats);
    } catch (error) {
      if (isAbort(error)) view.end(undefined, 'stopped');
      else view.end(undefined, errorBox(error));
    }
    if (this.#running !== running && this.#running !== undefined) return;
    if (view.element.isConnected) this.#messages[at] = { role: 'assistant', content: view.content };
    keepConversation(this.#messages);
    this.#running = undefined;
    this.#log.setAttribute('aria-busy', 'false');
    this.#busy(false);
    this.#follow();
  }

  #busy(isBusy: boolean): void {
    this.#send.disabled = isBusy;
    this.#stop.hidden = !isBusy;
  }

  /** Keeps the end in sight, unless somebody reads further up. */
  #follow(always = false): void {
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    if (always || scrollHeight - scrollTop - clientHeight < 120) this.#log.scrollTop = scrollHeight;
  }

  #grow(): void {
    this.#input.style.height = 'auto';
    this.#input.style.height = `${Math.min(200, this.#input.scrollHeight)}px`;
  }
}
