// Owns how answers are made: the settings, their panel, remembering them.
import type { SamplingDefaults } from 'onebit/browser';
import { el, field } from '../dom.ts';

export interface ChatSettings {
  system: string;
  /** Whether the model is asked, or goes on with the text. */
  mode: 'chat' | 'continue';
  /** These are the model's own where nothing is set. */
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repeatPenalty: number;
  maxTokens: number;
  /** Empty: another one each time. */
  seed: string;
  /** Fetch what else could have come. */
  alternatives: boolean;
}

const DEFAULTS: ChatSettings = {
  system: '',
  mode: 'chat',
  repeatPenalty: 1,
  maxTokens: 256,
  seed: '',
  alternatives: true,
};
const KEY = 'answers';

interface NumberSetting {
  readonly name: 'temperature' | 'topK' | 'topP' | 'minP' | 'repeatPenalty' | 'maxTokens';
  readonly label: string;
  readonly hint: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

const NUMBERS: readonly NumberSetting[] = [
  { name: 'temperature', label: 'Temperature', hint: '0 takes the likeliest token', min: 0, max: 2, step: 0.05 },
  { name: 'topK', label: 'Top-k', hint: 'among so many tokens; 0: all', min: 0, max: 200, step: 1 },
  { name: 'topP', label: 'Top-p', hint: 'that together are so likely', min: 0, max: 1, step: 0.01 },
  { name: 'minP', label: 'Min-p', hint: 'at least this share of the likeliest', min: 0, max: 1, step: 0.01 },
  { name: 'repeatPenalty', label: 'Repetition', hint: '1 allows it', min: 1, max: 2, step: 0.01 },
  { name: 'maxTokens', label: 'Longest answer', hint: 'tokens', min: 1, max: 4096, step: 1 },
];

/** The settings and the panel that changes them. */
export class SettingsPanel {
  readonly settings: ChatSettings = { ...DEFAULTS };
  readonly dialog: HTMLDialogElement;
  readonly #form: HTMLFormElement;
  /** What the model does where nothing is set, as far as it is known. */
  #own: SamplingDefaults | undefined;
  /** Called when everything that is kept is to be forgotten. */
  onForget: () => void = () => {};

  constructor() {
    try {
      Object.assign(this.settings, JSON.parse(localStorage.getItem(KEY) ?? '{}'));
    } catch {} // nothing of ours
    this.#form = el('form', { method: 'dialog', oninput: () => this.#read() });
    this.dialog = el(
      'dialog',
      { class: 'panel', 'aria-labelledby': 'settings-title' },
      el('h2', { id: 'settings-title' }, 'Settings'),
      this.#form,
    );
    this.dialog.addEventListener('click', (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    this.#build();
    document.body.append(this.dialog);
  }

  setMode(mode: ChatSettings['mode']): void {
    this.settings.mode = mode;
    this.#build();
  }

  /** Shows what the model does where nothing is set; undefined where nobody here knows. */
  showOwn(own: SamplingDefaults | undefined): void {
    this.#own = own;
    this.#build();
  }

  #build(): void {
    const { settings } = this;
    const system = el('textarea', { name: 'system', rows: 3, placeholder: 'Who the model is to be. Empty for none.' });
    system.value = settings.system;
    const mode = el(
      'select',
      { name: 'mode' },
      el('option', { value: 'chat', selected: settings.mode === 'chat' }, 'answers (conversation)'),
      el('option', { value: 'continue', selected: settings.mode === 'continue' }, 'goes on with the text'),
    );
    const numbers = NUMBERS.map(({ name, label, hint, min, max, step }) => {
      const input = el('input', { type: 'number', name, min, max, step, inputmode: 'decimal' });
      input.value = String(settings[name] ?? '');
      const own = name === 'repeatPenalty' || name === 'maxTokens' ? undefined : this.#own?.[name];
      input.placeholder = own === undefined ? 'as the model asks' : String(own);
      return field(label, input, hint);
    });
    const seed = el('input', { name: 'seed', inputmode: 'numeric', placeholder: 'any', autocomplete: 'off' });
    seed.value = settings.seed;
    const alternatives = el('input', { type: 'checkbox', name: 'alternatives', checked: settings.alternatives });
    const reset = () => {
      const unset = { temperature: undefined, topK: undefined, topP: undefined, minP: undefined };
      Object.assign(settings, DEFAULTS, unset);
      this.#save();
      this.#build();
    };
    this.#form.replaceChildren(
      field('System prompt', system, 'told to the model before the conversation'),
      field('The model', mode),
      el('div', { class: 'grid' }, ...numbers, field('Seed', seed, 'same seed, same answer')),
      el('label', { class: 'check' }, alternatives, 'Show what else each token could have been'),
      el('small', {}, '“Forget all” clears the conversation, these settings and the model in use from this browser.'),
      el(
        'div',
        { class: 'row end' },
        el('button', { type: 'button', onclick: () => this.onForget() }, 'Forget all'),
        el('button', { type: 'button', onclick: reset }, 'Reset'),
        el('button', { class: 'primary' }, 'Done'),
      ),
    );
  }

  #read(): void {
    const data = new FormData(this.#form);
    const { settings } = this;
    settings.system = String(data.get('system') ?? '');
    settings.mode = data.get('mode') === 'continue' ? 'continue' : 'chat';
    settings.seed = String(data.get('seed') ?? '').trim();
    settings.alternatives = data.has('alternatives');
    for (const { name, min, max } of NUMBERS) {
      const text = String(data.get(name) ?? '');
      const value = Number(text);
      if (text !== '' && value >= min && value <= max) settings[name] = value;
      else if (text === '' && !(name in DEFAULTS)) settings[name] = undefined as never;
    }
    this.#save();
  }

  #save(): void {
    localStorage.setItem(KEY, JSON.stringify(this.settings));
  }
}
