// Owns training in the page: the text, the size, the run, what comes out of it.
import {
  type KeptTraining,
  parseCorpus,
  type RemoteTrainOptions,
  resumeTraining,
  type TrainDone,
  type TrainProgress,
  trainInWorker,
  type WorkerTraining,
} from 'onebit/browser';
import { download, el, errorBox, field, isAbort, messageOf, onFileDrop } from '../dom.ts';
import { bytes, count, digits, duration } from '../format.ts';
import type { ModelChoice } from '../model-slot.ts';
import { linkTo, MOST_LINK_BYTES } from '../share.ts';
import { canKeep, drawCurves, KEPT_AS, KeptRun } from './kept-run.ts';
import { LIVE_QUESTIONS, LiveAnswers } from './live-answers.ts';
import { LossPlot } from './loss-plot.ts';

interface Size {
  readonly name: string;
  readonly detail: string;
  readonly options: Pick<RemoteTrainOptions, 'preset' | 'shape' | 'batchTokens'>;
}

const SIZES: Readonly<Record<string, Size>> = {
  auto: { name: 'as the text and the time ask for', detail: '', options: {} },
  small: { name: 'small', detail: ': 0.7 million weights', options: { shape: { layers: 2, width: 128 } } },
  medium: { name: 'medium', detail: ': 1 million weights', options: { shape: { layers: 4, width: 128 } } },
  large: { name: 'large', detail: ': 6.5 million, needs hours', options: { preset: 'seedling' } },
};

interface Example {
  readonly name: string;
  readonly text: () => Promise<string>;
}

const EXAMPLES: readonly Example[] = [
  { name: 'Colours and animals', text: async () => (await import('./example-text.ts')).exampleText() },
  { name: 'A bicycle workshop', text: async () => (await import('./example-workshop.ts')).workshopText() },
];

/** What closing the tab can lose. */
const CHECKPOINT_SECONDS = 10;

/** Shorter ones are not worth a model. */
const SHORTEST_TEXT = 200;

export class TrainPage {
  readonly #use: (choice: ModelChoice) => Promise<void>;
  readonly #text = el('textarea', {
    rows: 7,
    dir: 'auto',
    spellcheck: 'false',
    placeholder: 'Paste a text here, or drop a file: a story, your notes, a chat (“User: …”, “Agent: …”).',
  });
  /** How many texts were asked for: the last one counts. */
  #asked = 0;
  readonly #about = el('small', { role: 'status' });
  readonly #size = el(
    'select',
    {},
    ...Object.entries(SIZES).map(([value, { name, detail }]) =>
      el('option', { value, selected: value === 'auto' }, name + detail),
    ),
  );
  readonly #minutes = el('input', { type: 'number', min: 0.1, max: 600, step: 0.1, value: 1 });
  readonly #answers = new LiveAnswers();
  readonly #seed = el('input', { type: 'number', step: 1, value: 1 });
  readonly #start = el('button', { class: 'primary' }, 'Train');
  readonly #pause = el('button', { type: 'button' }, 'Pause');
  readonly #finish = el('button', { type: 'button' }, 'Finish now');
  readonly #bar = el('progress', { max: 1, value: 0, 'aria-label': 'Progress of the training' });
  readonly #status = el('p', { class: 'status', role: 'status' });
  readonly #numbers = el('p', { class: 'numbers' });
  readonly #samples = el('ol', { class: 'samples', 'aria-label': 'Samples of what the model writes' });
  readonly #result = el('div', { class: 'result' });
  readonly #kept = new KeptRun((kept) => void this.#resume(kept));
  readonly #run = el('div', { class: 'run', hidden: true });
  readonly #plot: LossPlot;
  #training: WorkerTraining | undefined;
  #saidAt = 0;

  constructor(root: HTMLElement, use: (choice: ModelChoice) => Promise<void>) {
    this.#use = use;
    const file = el('input', { type: 'file', accept: '.txt,.md,.jsonl,.csv,text/*', class: 'unseen', id: 'text-file' });
    file.addEventListener('change', () => void this.#read([...(file.files ?? [])]));
    const examples = EXAMPLES.map((example) =>
      el('button', { type: 'button', class: 'chip', onclick: () => void this.#fill(example.text) }, example.name),
    );
    const form = el(
      'form',
      { class: 'card' },
      el(
        'div',
        { class: 'row', role: 'group', 'aria-label': 'Texts' },
        ...examples,
        el('label', { class: 'button chip', for: 'text-file' }, 'A file of yours'),
        file,
      ),
      field('Text to learn from', this.#text),
      el('div', { class: 'row' }, this.#start, this.#about),
      el(
        'details',
        {},
        el('summary', {}, 'Time, size, seed'),
        el(
          'div',
          { class: 'grid wide' },
          field('Minutes', this.#minutes, 'all of it: learning, measuring, writing'),
          field('Size', this.#size, 'the more text and time, the larger'),
          field('Seed', this.#seed, 'same seed and text, same beginning'),
        ),
      ),
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#train();
    });
    onFileDrop(form, (files) => void this.#read(files));
    this.#text.addEventListener('input', () => this.#describe());
    this.#pause.addEventListener('click', () => this.#togglePause());
    this.#finish.addEventListener('click', () => {
      this.#training?.stop();
      this.#finish.disabled = true;
      this.#status.textContent = 'Finishing: the model is measured and written …';
    });
    const plot = el('div', { class: 'plot', role: 'img', 'aria-label': 'Bits per byte over the run; lower is better' });
    this.#plot = new LossPlot(plot);
    this.#run.append(
      el('div', { class: 'row' }, this.#bar, this.#pause, this.#finish),
      this.#status,
      this.#result,
      this.#answers.root,
      this.#samples,
      plot,
      this.#numbers,
    );
    root.append(
      el(
        'div',
        { class: 'intro' },
        el('h1', {}, 'Grow a model of your own'),
        el(
          'p',
          {},
          'Watch a network learn: it starts from noise and reads the text below until it can answer. A minute is enough. It runs on your processor; the text stays here.',
        ),
      ),
      this.#kept.root,
      form,
      this.#run,
    );
    this.#minutes.addEventListener('input', () => this.#describe());
    void this.#fill(EXAMPLES[0].text);
    addEventListener('beforeunload', (event) => {
      if (this.#training) event.preventDefault();
    });
  }

  /** Puts a text where texts are written. What was written, or asked for, while it came stays. */
  async #fill(text: () => Promise<string>): Promise<void> {
    const before = this.#text.value;
    const asked = ++this.#asked;
    const isWanted = () => asked === this.#asked && this.#text.value === before;
    try {
      const value = await text();
      if (!isWanted()) return;
      this.#text.value = value;
      this.#describe();
    } catch (error) {
      if (isWanted()) this.#about.textContent = messageOf(error);
    }
  }

  #read(files: readonly File[]): Promise<void> {
    return this.#fill(async () => (await Promise.all(files.map((file) => file.text()))).join('\n\n'));
  }

  #describe(): void {
    const { length } = this.#text.value;
    try {
      const documents = length === 0 ? 0 : documentsOf(this.#text.value).length;
      this.#about.textContent =
        length === 0
          ? ''
          : `${count(length)} characters, ${count(documents)} document${documents === 1 ? '' : 's'}, ${duration(60 * Number(this.#minutes.value))}`;
    } catch (error) {
      this.#about.textContent = messageOf(error);
    }
  }

  async #train(): Promise<void> {
    const text = this.#text.value;
    this.#result.replaceChildren();
    this.#run.hidden = false;
    if (text.trim().length < SHORTEST_TEXT) {
      this.#result.replaceChildren(
        errorBox(
          new Error(
            `A model needs at least ${SHORTEST_TEXT} characters to learn from, this text has ${text.trim().length}. Paste more, or use the example.`,
          ),
        ),
      );
      return;
    }
    let documents: ReturnType<typeof documentsOf>;
    try {
      documents = documentsOf(text);
    } catch (error) {
      this.#result.replaceChildren(errorBox(error));
      return;
    }
    const talks = documents.some(isTalk);
    this.#plot.clear();
    this.#samples.replaceChildren();
    this.#answers.clear();
    this.#setRunning(true);
    this.#status.textContent = 'Making a vocabulary of the text …';
    this.#run.scrollIntoView({ block: 'start' });
    await this.#follow(
      trainInWorker({
        ...SIZES[this.#size.value].options,
        documents,
        minutes: Number(this.#minutes.value),
        seed: Number(this.#seed.value),
        chatShare: undefined,
        askOnTheWay: LIVE_QUESTIONS,
        evaluateEvery: undefined,
        sampleEvery: undefined,
        name: 'home-grown',
        checkpointSeconds: CHECKPOINT_SECONDS,
        keep: (await canKeep()) ? KEPT_AS : undefined,
      }),
      talks,
    );
  }

  /** Shows a run until its end. */
  async #follow(training: WorkerTraining, talks: boolean): Promise<void> {
    this.#training = training;
    this.#kept.hide();
    try {
      for await (const event of training) this.#tell(event, talks);
    } catch (error) {
      this.#status.textContent = '';
      this.#result.replaceChildren(errorBox(error));
    }
    this.#training = undefined;
    this.#setRunning(false);
  }

  async #resume(kept: KeptTraining): Promise<void> {
    this.#result.replaceChildren();
    this.#samples.replaceChildren();
    this.#plot.clear();
    drawCurves(this.#plot, kept);
    this.#run.hidden = false;
    this.#setRunning(true);
    this.#status.textContent = 'Going on from the last checkpoint …';
    await this.#follow(resumeTraining(kept.name), kept.options.documents.some(isTalk));
  }

  #setRunning(isRunning: boolean): void {
    this.#start.disabled = isRunning;
    this.#pause.hidden = !isRunning;
    this.#finish.hidden = !isRunning;
    this.#finish.disabled = false;
    this.#pause.textContent = 'Pause';
  }

  #togglePause(): void {
    const training = this.#training;
    if (!training) return;
    if (training.isPaused) training.resume();
    else training.pause();
    this.#pause.textContent = training.isPaused ? 'Resume' : 'Pause';
    this.#run.classList.toggle('paused', training.isPaused);
    this.#status.textContent = training.isPaused ? 'Paused. The clock stands still.' : 'Going on …';
  }

  #tell(event: TrainProgress, talks: boolean): void {
    if (event.type === 'start') {
      const { parameters, shape, corpusTokens } = event;
      this.#numbers.textContent = `${count(parameters)} weights in ${shape.layers} layers of width ${shape.width}; ${count(corpusTokens)} tokens to learn from`;
    } else if (event.type === 'step') {
      // A live region that changes many times a second says nothing, and each change of the page takes time from learning.
      if (performance.now() - this.#saidAt < 500 || this.#training?.isPaused) return;
      this.#saidAt = performance.now();
      this.#plot.addTraining(event.step, event.bitsPerByte);
      this.#bar.value = event.progress;
      const text = `${duration(event.secondsLeft)} left · update ${event.step} · ${digits(event.bitsPerByte)} bits/byte · ${digits(event.tokensPerSecond)} tokens/s · weights ${event.quantized ? 'of one bit' : 'exact'}`;
      this.#status.textContent = text;
      this.#run.dataset.loss = String(event.loss);
    } else if (event.type === 'evaluation') this.#plot.addHeldOut(event.step, event.bitsPerByte);
    else if (event.type === 'answers') this.#answers.show(event);
    else if (event.type === 'sample') {
      const text = el('p', { dir: 'auto' }, el('b', {}, event.prompt), talks ? el('br') : undefined, event.text);
      this.#samples.prepend(el('li', {}, el('small', {}, `update ${event.step}`), text));
    } else if (event.type === 'notice') this.#numbers.append(` · note: ${event.message}`);
    else if (event.type === 'done') this.#done(event, talks);
  }

  #done(event: TrainDone, talks: boolean): void {
    this.#bar.value = 1;
    const measured = event.validation
      ? `, ${event.validation.bitsPerByte.toFixed(3)} bits/byte on text that it has not seen`
      : '';
    this.#status.textContent = `Done after ${event.steps} updates in ${duration(event.seconds)}${measured}.`;
    if (event.answers) this.#answers.end(event.answers);
    const model = event.model as Uint8Array<ArrayBuffer>;
    const suggestions = event.answers?.answers.slice(0, 4).map(({ question }) => question);
    const about = { label: 'home-grown', talks, suggestions };
    const talk = el('button', { type: 'button', class: 'primary' }, talks ? 'Talk to it' : 'Write with it');
    talk.addEventListener('click', async () => {
      talk.disabled = true;
      try {
        await this.#use({ ...about, input: model, fileBytes: model.length });
      } catch (error) {
        if (!isAbort(error)) this.#result.append(errorBox(error));
      }
      talk.disabled = false;
    });
    const save = () => download('home-grown.gguf', model, 'application/octet-stream');
    this.#result.replaceChildren(
      el(
        'div',
        { class: 'row' },
        talk,
        model.length <= MOST_LINK_BYTES ? linkButton(model, about) : undefined,
        el('button', { type: 'button', onclick: save }, `Download GGUF (${bytes(model.length)})`),
      ),
      el(
        'small',
        {},
        'The link holds the whole model: whoever opens it talks to it at once, and no server sees it. llama.cpp reads the file too.',
      ),
    );
  }
}

/** A button that copies a link with the model in it. */
function linkButton(model: Uint8Array<ArrayBuffer>, about: Parameters<typeof linkTo>[1]): HTMLElement {
  const button = el('button', { type: 'button' }, 'Copy a link to it');
  button.addEventListener('click', async () => {
    const link = await linkTo(model, about);
    button.dataset.link = link;
    try {
      await navigator.clipboard.writeText(link);
      button.textContent = `Copied: ${bytes(link.length)} of address`;
    } catch {
      button.replaceWith(el('input', { readonly: true, value: link, 'aria-label': 'Link to the model' }));
    }
  });
  return button;
}

/** Whether a document is a conversation, in either form. */
function isTalk(document: ReturnType<typeof documentsOf>[number]): boolean {
  return !('text' in document) || /^\s*\w+: .*\n\w+: /.test(document.text);
}

/** The documents of a text: conversations one JSON object a line, else parts that blank lines separate. */
function documentsOf(text: string) {
  const isChat = /^\s*\{.*\}\s*$/m.test(text.slice(0, text.indexOf('\n') + 1 || undefined));
  return parseCorpus('the text', new TextEncoder().encode(text), { format: isChat ? 'chat' : 'documents' }).documents;
}
