// Owns the card of a model: what training knows of it, and the questions that only people can answer, which must be answered before a model is published. The form
// is the hub's: a head in YAML, then Markdown. Must not know files or hubs.
import type { RunRecord } from './report.ts';

const BEGIN = '<!-- onebit:training, written anew by each run -->';
const END = '<!-- /onebit:training -->';
const TODO = 'TODO';

/** What people are asked, section by section. */
const QUESTIONS: Readonly<Record<string, string>> = {
  'Intended use': 'Who should use this model, for what, and who should not?',
  Limits: 'What can it not do? Languages, lengths, topics, dates of its texts; what must a person check?',
  'Data and licences':
    'Where do the texts come from, who may use them under which licences, whose personal data may be in them?',
  Evaluation: 'What was measured beside the numbers below (onebit evaluate), on which texts, and how does it compare?',
  'Known failures': 'What was seen to go wrong, with examples? What could somebody misuse it for?',
};
const MADE = 'How it was made';

export interface CardFacts {
  readonly name: string;
  /** What the hub calls what the model is for. */
  readonly task: 'text-generation' | 'text-classification';
  /** What training knows, by name. */
  readonly made: readonly (readonly [string, string])[];
}

/** The card of a training. @param before the card of an earlier run: what people wrote there stays, what training wrote is written anew */
export function modelCard(facts: CardFacts, before?: string): string {
  const made = `${BEGIN}\n${madeText(facts.made)}\n${END}`;
  if (before !== undefined && isModelCard(before)) {
    const [from, to] = [before.indexOf(BEGIN), before.indexOf(END)];
    return before.slice(0, from) + made + before.slice(to + END.length);
  }
  const sections = Object.entries(QUESTIONS).map(([title, question]) => `## ${title}\n\n${TODO}: ${question}\n`);
  const head = `---\nlicense: ${TODO}\nlibrary_name: onebit\npipeline_tag: ${facts.task}\ntags:\n- onebit\n- gguf\n- 1-bit\n---\n`;
  return `${head}\n# ${facts.name}\n\n${sections.join('\n')}\n## ${MADE}\n\n${made}\n`;
}

/** Whether a text is a card that training wrote. */
export function isModelCard(text: string): boolean {
  const from = text.indexOf(BEGIN);
  return from >= 0 && text.indexOf(END, from) > from;
}

/** What must be mended before a model with this card is published; nothing where it is complete. */
export function cardProblems(card: string): string[] {
  const text = card.replaceAll('\r\n', '\n');
  const problems: string[] = [];
  const head = /^---\n([\s\S]*?)\n---\n/.exec(text)?.[1];
  if (head === undefined) problems.push('it must begin with a head in YAML between two lines of ---');
  const licence = /^license:[ \t]*(?:["']?([^\s"'#].*)|\n[ \t]*-[ \t]+(\S.*))$/m
    .exec(head ?? '')
    ?.slice(1)
    .find(Boolean);
  if (head !== undefined && (licence === undefined || isOpen(licence))) problems.push('its head must say the license');
  const sections = new Map<string, string>();
  for (const part of text
    .slice(head === undefined ? 0 : head.length + 8)
    .split(/^##[ \t]+/m)
    .slice(1)) {
    const end = part.indexOf('\n');
    sections.set((end < 0 ? part : part.slice(0, end)).trim().toLowerCase(), end < 0 ? '' : part.slice(end));
  }
  for (const title of Object.keys(QUESTIONS)) {
    const said = sections
      .get(title.toLowerCase())
      ?.replace(/<!--[\s\S]*?-->/g, '')
      .replace(/^#+.*$/gm, '')
      .trim();
    if (said === undefined) problems.push(`a section '${title}' must be there`);
    else if (said === '' || isOpen(said)) problems.push(`the section '${title}' must be written`);
  }
  return problems;
}

/** Whether what training put there still stands; the word within a sentence is the writer's. */
function isOpen(text: string): boolean {
  return new RegExp(`^[\\s>*_"'-]*${TODO}\\b`, 'm').test(text);
}

/** Names of what a model was made of: files of texts, the model that it went on from, the one that taught it. */
export interface MadeFrom {
  readonly corpora: readonly string[];
  readonly init?: string;
  readonly teacher?: string;
}

/** What a run of `train` knows. */
export function runFacts({ corpora, init, teacher }: MadeFrom, { start, done }: RunRecord): [string, string][] {
  if (!start || !done) return [];
  const { shape, recipe } = start;
  const held = done.validation
    ? `${done.validation.bitsPerByte.toFixed(4)} bits per byte on ${done.validation.bytes} held-out bytes`
    : 'nothing was held out';
  return [
    ['Texts', corpora.join(', ')],
    ...(init ? [['Went on from', init] as [string, string]] : []),
    ...(teacher ? [['Teacher', teacher] as [string, string]] : []),
    ['Documents', `${start.documents} learnt, ${start.validationDocuments} held out; ${start.corpusTokens} tokens`],
    ['Weights', `${shape.weights}, ${start.parameters} of them in ${shape.layers} layers of width ${shape.width}`],
    ['File', `${done.model.length} bytes, context of ${shape.contextLength} tokens`],
    [
      'Training',
      `${done.steps} updates, ${done.tokens} positions, seed ${start.seed}${done.complete ? '' : ', interrupted before its end'}`,
    ],
    [
      'Recipe',
      Object.entries(recipe)
        .map(([name, value]) => `${name} ${value}`)
        .join(', '),
    ],
    ['Quality', held],
  ];
}

function madeText(made: CardFacts['made']): string {
  if (made.length === 0) return 'The run did not end.';
  const table = made.map(([name, value]) => `| ${name} | ${value.replaceAll('|', '\\|').replace(/\s+/g, ' ')} |`);
  return `The file itself says how it was made (\`onebit.training\`): digests of the texts, the recipe, the seed, the program's version.\n\n| | |\n| --- | --- |\n${table.join('\n')}`;
}
