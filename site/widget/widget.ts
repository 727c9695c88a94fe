// Owns the element <onebit-support>: a button and a window in which a shop's customers ask, over `onebit support serve` or a model in the page. One script, no
// dependency; styles are of the element's own, themed by custom properties. Must not know how queries are understood.
import { type Answer, type Answerer, serverAnswerer } from './answerers.ts';
import { STYLE } from './style.ts';

/** What the window says and has, of the customer's language. */
type Texts = Readonly<Record<string, string>>;

const ATTRIBUTES = ['server', 'model'] as const;
/** An e-mail address or a phone number and nothing else. */
const CONTACT = /^([^\s@]+@[^\s@]+|\+?(\d[ ()/.-]*){7,15})$/;

/**
 * Attributes: `server` (an address of `onebit support serve`), or `model` and `library` (a model's file and dist/widget/support.js, both fetched by the page);
 * `language`, `key`, `heading`, `inline`. Events: `onebit-route` with every answer in its detail.
 */
class OnebitSupport extends HTMLElement {
  static readonly observedAttributes = ATTRIBUTES;
  private readonly root = this.attachShadow({ mode: 'open' });
  private readonly conversation = crypto.randomUUID();
  private answerer: Promise<Answerer> | undefined;
  private texts: Texts = {};
  private asked = '';
  /** Takes how the customer can be reached, while that is asked. */
  private giveContact: ((contact: string) => void) | undefined;
  private readonly log = element('div', { part: 'log', role: 'log', 'aria-live': 'polite', tabindex: '0' });
  private readonly field = element('input', { part: 'field', type: 'text', autocomplete: 'off', maxlength: '4000' });
  private readonly submit = element('button', { part: 'send', type: 'submit' });
  private readonly form = element('form', { part: 'form' }, this.field, this.submit);
  private readonly caption = element('h2', { part: 'title', id: 'title' });
  private readonly closer = element('button', { part: 'close', type: 'button' }, '×');
  private readonly panel = element(
    'section',
    { part: 'panel', role: 'dialog', 'aria-labelledby': 'title', hidden: '' },
    element('div', { part: 'header' }, this.caption, this.closer),
    this.log,
    this.form,
  );
  private readonly opener = element(
    'button',
    { part: 'opener', type: 'button', 'aria-expanded': 'false', 'aria-haspopup': 'dialog' },
    element('span', { 'aria-hidden': 'true' }, '?'),
  );

  connectedCallback(): void {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    this.root.adoptedStyleSheets = [sheet];
    this.root.replaceChildren(this.opener, this.panel);
    this.opener.onclick = () => this.show(this.panel.hasAttribute('hidden'));
    this.closer.onclick = () => this.show(false);
    this.panel.onkeydown = (event) => {
      if (event.key === 'Escape' && !this.hasAttribute('inline')) this.show(false);
    };
    this.form.onsubmit = (event) => {
      event.preventDefault();
      const text = this.field.value.trim();
      this.field.value = '';
      if (this.giveContact && CONTACT.test(text)) this.giveContact(text);
      else if (text) void this.ask(text, text);
    };
    this.label('Help', 'Close', 'Send', '');
    if (this.hasAttribute('inline')) this.show(true, false);
  }

  attributeChangedCallback(): void {
    this.answerer = undefined;
  }

  /** Opens or closes the window. */
  private show(isOpen: boolean, takesFocus = true): void {
    this.panel.hidden = !isOpen;
    this.opener.setAttribute('aria-expanded', String(isOpen));
    if (isOpen) void this.greet().then(() => takesFocus && this.field.focus());
    else if (takesFocus) this.opener.focus();
  }

  private async greet(): Promise<void> {
    if (this.log.childElementCount > 0) return;
    try {
      const { texts } = await this.who();
      this.texts = texts;
      this.label(texts.title, texts.close, texts.send, texts.placeholder);
      if (this.log.childElementCount === 0) this.say('theirs', texts.greeting);
    } catch {
      this.say('theirs', this.texts.unreachable ?? 'That did not work. Please try again.');
      this.answerer = undefined;
    }
  }

  private label(title: string, close: string, send: string, placeholder: string): void {
    this.caption.textContent = this.getAttribute('heading') ?? title;
    this.opener.setAttribute('aria-label', this.caption.textContent);
    this.closer.setAttribute('aria-label', close);
    this.submit.textContent = send;
    this.field.placeholder = placeholder;
    this.field.setAttribute('aria-label', placeholder || title);
  }

  private who(): Promise<Answerer> {
    this.answerer ??= this.open();
    return this.answerer;
  }

  private async open(): Promise<Answerer> {
    const language = this.getAttribute('language') ?? undefined;
    const shown = (language ?? (document.documentElement.lang || navigator.language)).slice(0, 2).toLowerCase();
    const model = this.getAttribute('model');
    if (model !== null) {
      const library = new URL(this.getAttribute('library') ?? './support.js', import.meta.url).href;
      const { pageAnswerer } = await import(/* @vite-ignore */ library);
      return pageAnswerer(new URL(model, document.baseURI).href, language, shown);
    }
    const server = new URL(this.getAttribute('server') ?? '.', import.meta.url).href;
    return serverAnswerer({ server, language, shown, key: this.getAttribute('key'), conversation: this.conversation });
  }

  /** @param intent the one that was chosen of several */
  private async ask(said: string, query: string, intent?: string): Promise<void> {
    this.say('mine', said);
    for (const choices of this.log.querySelectorAll('.choices')) choices.remove();
    this.giveContact = undefined;
    this.asked = query;
    this.panel.setAttribute('aria-busy', 'true');
    try {
      const answer = await (await this.who()).ask(query, intent);
      this.answered(answer);
      this.dispatchEvent(new CustomEvent('onebit-route', { detail: answer, bubbles: true, composed: true }));
    } catch {
      this.say('theirs', this.texts.unreachable ?? 'That did not work. Please try again.');
      this.answerer = undefined;
    } finally {
      this.panel.removeAttribute('aria-busy');
    }
  }

  private answered({ action, text, options, takesContact }: Answer): void {
    this.say('theirs', text);
    if (action === 'clarify' && options.length > 0) {
      const choices = element('div', { class: 'choices', part: 'choices' });
      for (const { intent, name } of options) {
        const choice = element('button', { type: 'button', part: 'choice' }, name);
        choice.onclick = () => void this.ask(name, this.asked, intent).then(() => this.field.focus());
        choices.append(choice);
      }
      this.log.append(choices);
    }
    if (action === 'handover' && takesContact) this.askContact();
    this.log.scrollTop = this.log.scrollHeight;
  }

  private askContact(): void {
    const input = element('input', { type: 'text', maxlength: '300', autocomplete: 'email', part: 'field' });
    input.setAttribute('aria-label', this.texts.contact);
    const form = element(
      'form',
      { class: 'choices contact' },
      input,
      element('button', { part: 'send' }, this.texts.send),
    );
    const query = this.asked;
    this.giveContact = (contact) => {
      this.giveContact = undefined;
      form.remove();
      this.say('mine', contact);
      void this.who()
        .then((who) => who.contact?.(query, contact))
        .catch(() => this.say('theirs', this.texts.unreachable));
      this.field.focus();
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      const contact = input.value.trim();
      if (contact) this.giveContact?.(contact);
    };
    this.say('theirs', this.texts.contact);
    this.log.append(form);
  }

  private say(whose: 'mine' | 'theirs', text: string): void {
    this.log.append(element('p', { class: whose, part: whose }, text));
    this.log.scrollTop = this.log.scrollHeight;
  }
}

function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

if (!customElements.get('onebit-support')) customElements.define('onebit-support', OnebitSupport);
