// Owns the page of `onebit support serve`: who owns the model tries messages, sees why it says what it says, and corrects it; corrections are rows for
// `onebit support update`. Must not know how queries are understood.

interface Correction {
  readonly text: string;
  readonly intent: string;
  readonly flags?: readonly string[];
}

interface Known {
  readonly model: string;
  readonly intents: readonly { readonly intent: string; readonly name: string }[];
  readonly flags: readonly string[];
}

const KEPT = 'onebit-support-corrections';
const OUT_OF_SCOPE = 'oos';
const byId = <Type extends HTMLElement>(id: string) => document.getElementById(id) as Type;
const message = byId<HTMLTextAreaElement>('message');
const found = byId('found');
const problem = byId('problem');
let key = sessionStorage.getItem('onebit-key') ?? '';
let known: Known = { model: '', intents: [], flags: [] };
let corrections: Correction[] = kept();

async function call(path: string, body?: object) {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (key) headers.authorization = `Bearer ${key}`;
  const response = await fetch(path, {
    method: body ? 'POST' : 'GET',
    headers,
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  byId('key-form').hidden = response.status !== 401;
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error?.message ?? `The server says ${response.status}.`);
  return answer;
}

async function begin(): Promise<void> {
  problem.hidden = true;
  try {
    known = await call('v1/support');
    byId('facts').textContent =
      `${known.model}: ${known.intents.length} intents${known.flags.length > 0 ? `, flags ${known.flags.join(', ')}` : ''}`;
    document.querySelector('onebit-support')!.setAttribute('key', key);
  } catch (error) {
    tell(error);
  }
}

async function ask(text: string): Promise<void> {
  problem.hidden = true;
  try {
    const [{ data }, why] = [
      await call('v1/route', { input: text, fields: true, trial: true }),
      await call('v1/explain', { input: text }),
    ];
    show(text, data[0], why);
  } catch (error) {
    tell(error);
  }
}

// biome-ignore lint/suspicious/noExplicitAny: what the server answers, described in its /openapi.json
function show(text: string, answer: any, why: any): void {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const name = (intent: string) => known.intents.find((one) => one.intent === intent)?.name ?? intent;
  const rows = why.intents.map(({ intent, probability }: { intent: string; probability: number }) => [
    name(intent),
    percent(probability),
  ]);
  const parts: (Node | string)[] = [
    node(
      'h2',
      {},
      { answer: 'It answers', clarify: 'It asks back', handover: 'A person takes over' }[answer.action as string] ?? '',
    ),
    node('p', { class: 'said' }, answer.text),
    node(
      'p',
      {},
      `${name(answer.intent)}: ${percent(answer.confidence)} sure; ${why.threshold < 1 ? `it answers from ${percent(why.threshold)} on` : 'its rows are too few to answer by itself, as sure as was asked'}. ${percent(answer.out_of_scope)} that it is about something else.`,
    ),
    table(['intent', 'how likely'], rows),
    node('h3', {}, 'Why'),
    node('p', {}, ...marked(text, why.words)),
    node('p', {}, 'Words that speak for it are marked. Rows that are most like it:'),
    table(
      ['row', 'intent'],
      why.like.map((row: Correction) => [row.text, name(row.intent)]),
    ),
  ];
  if (answer.flags.length > 0)
    parts.push(
      node(
        'p',
        {},
        `Flags: ${answer.flags.map((one: { flag: string; probability: number }) => `${one.flag} (${percent(one.probability)})`).join(', ')}`,
      ),
    );
  if (answer.fields?.length > 0)
    parts.push(
      node('h3', {}, 'Fields'),
      table(
        ['field', 'text', 'value'],
        answer.fields.map((one: { label: string; text: string; value?: string }) => [
          one.label,
          one.text,
          one.value ?? '',
        ]),
      ),
    );
  if (answer.wishes.length > 1)
    parts.push(
      node('h3', {}, 'Wishes'),
      table(
        ['sentences', 'intent', 'then'],
        answer.wishes.map((one: { query: string; intent: string; action: string }) => [
          one.query,
          name(one.intent),
          one.action,
        ]),
      ),
    );
  found.replaceChildren(...parts, correction(text, answer));
  found.hidden = false;
}

/** The form by which a person says what the message is about. */
function correction(text: string, answer: { intent: string; flags: { flag: string }[] }): HTMLElement {
  const choice = node('select', { id: 'right-intent' }) as HTMLSelectElement;
  for (const { intent, name } of known.intents)
    choice.append(new Option(name, intent, false, intent === answer.intent));
  choice.append(new Option('about none of these', OUT_OF_SCOPE), new Option('a new intent …', ''));
  const other = node('input', {
    'aria-label': 'Name of the new intent',
    placeholder: 'name_of_the_intent',
    maxlength: '200',
  }) as HTMLInputElement;
  other.hidden = true;
  choice.onchange = () => {
    other.hidden = choice.value !== '';
  };
  const boxes = known.flags.map((flag) => {
    const box = node('input', { type: 'checkbox', value: flag }) as HTMLInputElement;
    box.checked = answer.flags.some((one) => one.flag === flag);
    return box;
  });
  const form = node(
    'form',
    {},
    node('h3', {}, 'Is that right?'),
    node('label', { for: 'right-intent' }, 'It is about'),
    choice,
    other,
    ...boxes.map((box) => node('label', {}, box, ` ${box.value} `)),
    node('p', {}, node('button', {}, 'Keep as a correction')),
  );
  form.onsubmit = (event) => {
    event.preventDefault();
    const intent = choice.value || other.value.trim();
    if (!intent) return other.focus();
    const flags =
      known.flags.length > 0 ? { flags: boxes.filter(({ checked }) => checked).map(({ value }) => value) } : {};
    corrections = [...corrections.filter((one) => one.text !== text), { text, intent, ...flags }];
    keep();
    message.focus();
  };
  return form;
}

/** The text with the words that speak for its intent marked, the more the stronger. */
function marked(text: string, words: readonly { start: number; end: number; weight: number }[]): (Node | string)[] {
  const most = Math.max(0.02, ...words.map(({ weight }) => weight));
  const out: (Node | string)[] = [];
  let at = 0;
  for (const { start, end, weight } of words) {
    out.push(text.slice(at, start));
    const word = node('mark', { title: weight.toFixed(3) }, text.slice(start, end));
    word.style.setProperty('--weight', String(Math.max(0, weight / most) * 0.6));
    out.push(word);
    at = end;
  }
  return [...out, text.slice(at)];
}

function keep(): void {
  localStorage.setItem(KEPT, JSON.stringify(corrections));
  byId<HTMLButtonElement>('save').disabled = corrections.length === 0;
  const rows = corrections.map(({ text, intent, flags }) => {
    const remove = node('button', { type: 'button', 'aria-label': `Remove ${text.slice(0, 40)}` }, '×');
    remove.onclick = () => {
      corrections = corrections.filter((one) => one.text !== text);
      keep();
    };
    return node(
      'tr',
      {},
      node('td', {}, text),
      node('td', {}, [intent, ...(flags ?? [])].join('; ')),
      node('td', {}, remove),
    );
  });
  byId('corrections').replaceChildren(...rows);
}

function kept(): Correction[] {
  try {
    const list = JSON.parse(localStorage.getItem(KEPT) ?? '[]');
    return Array.isArray(list)
      ? list.filter((row) => typeof row?.text === 'string' && typeof row?.intent === 'string')
      : [];
  } catch {
    return [];
  }
}

function csv(): string {
  const cell = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const withFlags = corrections.some(({ flags }) => flags);
  const head = ['text', 'intent', ...(withFlags ? ['flags'] : [])].join(',');
  const lines = corrections.map(({ text, intent, flags = [] }) =>
    [text, intent, ...(withFlags ? [flags.join(';')] : [])].map(cell).join(','),
  );
  return `\ufeff${[head, ...lines].join('\r\n')}\r\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): HTMLElement {
  const line = (cells: readonly string[], tag: 'th' | 'td') =>
    node('tr', {}, ...cells.map((cell) => node(tag, {}, cell)));
  return node('table', {}, line(head, 'th'), ...rows.map((row) => line(row, 'td')));
}

function node(tag: string, attributes: Readonly<Record<string, string>>, ...children: (Node | string)[]): HTMLElement {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function tell(error: unknown): void {
  problem.textContent = (error as Error).message;
  problem.hidden = false;
}

byId<HTMLFormElement>('ask').onsubmit = (event) => {
  event.preventDefault();
  void ask(message.value);
};
byId<HTMLFormElement>('key-form').onsubmit = (event) => {
  event.preventDefault();
  key = byId<HTMLInputElement>('key').value;
  sessionStorage.setItem('onebit-key', key);
  void begin();
};
byId('save').onclick = () => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([csv()], { type: 'text/csv' }));
  link.download = 'corrections.csv';
  link.click();
  URL.revokeObjectURL(link.href);
};
const address = new URL('.', location.href).href;
byId('snippet').textContent =
  `<script type="module" src="${address}widget.js"></script>\n<onebit-support server="${address}"></onebit-support>`;
keep();
void begin();

export {};
