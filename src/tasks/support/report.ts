// Owns the report for whoever is responsible for the queries: one HTML file, nothing loaded from elsewhere, in words that need no statistics. Must not
// know files.
import { checkOptions, type Kind } from '../../core/check.ts';
import { spoken } from '../texts/index.ts';
import { calibrationBins, calibrationError, checkJudged, type JudgedRow, summarise } from './evaluate.ts';
import { wilson } from './intervals.ts';
import { bars, curve } from './report-plots.ts';
import { compareWithPeople } from './shadow.ts';
import { checkSupportModel, type SupportModel } from './support-model.ts';

export interface ReportOptions {
  /** Where the judged rows come from. */
  readonly source: string;
  /** What a person's answer to one query costs. Default 4. */
  readonly costPerQuery?: number;
  /** Before amounts. Default €. */
  readonly currency?: string;
  /** Queries a month. Default 1,000. */
  readonly queriesPerMonth?: number;
}

const REPORT_OPTIONS: Record<keyof ReportOptions, Kind> = {
  source: 'text',
  costPerQuery: 'number',
  currency: 'text',
  queriesPerMonth: 'number',
};

const STYLE = `:root{color-scheme:light dark;--ink:#1c1c1c;--paper:#fff;--line:#ccc;--a:#b04a00;--b:#0a62a8}
@media (prefers-color-scheme:dark){:root{--ink:#e6e6e6;--paper:#161616;--line:#444;--a:#ff9d57;--b:#6bb8ff}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);padding:.3rem 1rem .3rem 0;text-align:left;vertical-align:top}
td.n,th.n{text-align:right}svg{width:100%;max-width:40rem;height:auto}text{fill:var(--ink);font-size:12px}.a{stroke:var(--a);fill:none;stroke-width:2}
.b{fill:var(--b)}line{stroke:var(--line)}.big{font-size:1.4rem}`;

const MOST_CONFUSIONS = 12;
const MOST_SHADOW = 30;
const EXAMPLES = 3;
const MOST_SUSPECTS = 25;
/** A label is doubted where the model gives it less than this, and another intent more than SURE. */
const DOUBTED = 0.1;
const SURE = 0.8;

/** The report of a model on rows that it was not trained on. */
export function supportReport(model: SupportModel, judged: readonly JudgedRow[], options: ReportOptions): string {
  checkSupportModel('supportReport', model);
  checkJudged('supportReport', judged);
  checkOptions('supportReport', options, REPORT_OPTIONS);
  const title = `How well ${model.facts.name} understands queries`;
  const sections = [
    `<h1>${escapeHtml(title)}</h1>`,
    headline(model, judged, options),
    '<h2>Right answers, and how sure that is</h2>',
    shares(judged),
    '<h2>Had it been switched on</h2>',
    shadow(judged, options),
    '<h2>More answers or fewer mistakes</h2>',
    `<p>Each point of the curve is a threshold: the surer the model must be, the fewer queries it answers, and the fewer of its answers are wrong. The model uses ${model.facts.threshold.toFixed(3)}, chosen for ${percent(model.facts.precision)} right answers.</p>`,
    coverageCurve(judged),
    '<h2>What it takes for something else</h2>',
    confusions(judged),
    '<h2>Is it as sure as it should be?</h2>',
    calibration(judged),
    '<h2>Labels that are probably wrong</h2>',
    suspects(model, judged),
    '<h2>Intents, worst first</h2>',
    intents(judged),
    model.facts.notices.length > 0
      ? `<h2>Notes on the training rows</h2><ul>${model.facts.notices.map((text) => `<li>${escapeHtml(text)}</li>`).join('')}</ul>`
      : '',
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="generator" content="onebit"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body>${sections.join('\n')}</body></html>
`;
}

function headline(model: SupportModel, judged: readonly JudgedRow[], options: ReportOptions): string {
  const { costPerQuery = 4, currency = '€', queriesPerMonth = 1000 } = options;
  const answered = judged.filter(({ prediction }) => prediction.answered);
  const wrong = answered.filter(({ right }) => !right).length;
  const share = (count: number) => (judged.length > 0 ? count / judged.length : 0);
  const handed = share(judged.length - answered.length) * queriesPerMonth;
  const money = (amount: number) => `${currency}${Math.round(amount).toLocaleString('en')}`;
  return `<p class="big">Of 100 queries it answers ${Math.round(100 * share(answered.length))} by itself, ${Math.round(100 * share(wrong))} of them wrongly, and hands ${Math.round(100 * share(judged.length - answered.length))} to people.</p>
<p>With ${queriesPerMonth.toLocaleString('en')} queries a month, people answer ${Math.round(handed).toLocaleString('en')} of them: at ${money(costPerQuery)} each, ${money(handed * costPerQuery)} a month instead of ${money(queriesPerMonth * costPerQuery)}. About ${Math.round(share(wrong) * queriesPerMonth).toLocaleString('en')} get a wrong answer.</p>
<p>${model.intents.length} intents, trained on ${model.facts.trainedRows.toLocaleString('en')} rows; measured on ${judged.length.toLocaleString('en')} rows of ${escapeHtml(options.source)}.</p>`;
}

function shares(judged: readonly JudgedRow[]): string {
  const inside = judged.filter(({ inScope }) => inScope);
  const outside = judged.filter(({ inScope }) => !inScope);
  const answered = judged.filter(({ prediction }) => prediction.answered);
  const rows: [string, number, number][] = [
    ['The likeliest intent is right', inside.filter(({ right }) => right).length, inside.length],
    [
      'Answered, of what is about some intent',
      inside.filter(({ prediction }) => prediction.answered).length,
      inside.length,
    ],
    ['Right, of what is answered', answered.filter(({ right }) => right).length, answered.length],
    [
      'Handed over, of what is about no intent',
      outside.filter(({ prediction }) => !prediction.answered).length,
      outside.length,
    ],
  ];
  const cells = rows.map(([name, count, all]) => {
    const [low, high] = wilson(count, all);
    return all === 0
      ? [name, 'no such rows', '']
      : [name, percent(count / all), `${percent(low)} to ${percent(high)} (${count} of ${all})`];
  });
  return `${table(['', 'measured', 'with 95 % certainty between'], cells)}<p>Confidence intervals are Wilson's; they say what other queries of the same kind would give.</p>`;
}

/** What it would have done with the rows, beside what people did. */
function shadow(
  judged: readonly JudgedRow[],
  { costPerQuery = 4, currency = '€', queriesPerMonth }: ReportOptions,
): string {
  const found = compareWithPeople(judged, { costPerQuery, queriesPerMonth });
  const { month, takenOver, rightOfTakenOver, errors, unknownIntents } = found;
  const money = (amount: number) =>
    `${amount < 0 ? '−' : ''}${currency}${Math.abs(Math.round(amount)).toLocaleString('en')}`;
  const said = `<p>It would have taken over ${takenOver.count.toLocaleString('en')} of ${found.rows.toLocaleString('en')} queries and sorted ${rightOfTakenOver.count.toLocaleString('en')} of these as people did. In a month that saves ${money(month.saved)}: each answer of a person costs ${money(costPerQuery)}, each wrong answer of the model ${money(2 * costPerQuery)} besides.</p>`;
  const intents = found.perIntent
    .slice(0, MOST_SHADOW)
    .map(({ intent, rows, agreed, takenOver: taken, erred }) => [
      ...[spoken(intent), String(rows), percent(agreed / rows), String(taken), String(erred)],
    ]);
  const wrong = errors
    .slice(0, MOST_CONFUSIONS)
    .map(({ text, people, model, confidence }) => [
      ...[`“${text}”`, spoken(people), spoken(model), percent(confidence)],
    ]);
  const unknown = unknownIntents.map(({ intent, rows }) => `${spoken(intent)} (${rows})`).slice(0, MOST_CONFUSIONS);
  return [
    said,
    table(['people said', 'rows', 'it agrees', 'taken over', 'of these wrongly'], intents),
    wrong.length > 0
      ? `<p>Where it would have erred, surest first:</p>${table(['query', 'people said', 'it says', 'how sure'], wrong)}`
      : '',
    unknown.length > 0 ? `<p>Not known to it: ${escapeHtml(unknown.join(', '))}.</p>` : '',
  ].join('');
}

function coverageCurve(judged: readonly JudgedRow[]): string {
  const sorted = [...judged].sort((a, b) => b.prediction.confidence - a.prediction.confidence);
  const points: [number, number][] = [];
  let right = 0;
  for (const [i, row] of sorted.entries()) {
    if (row.right) right++;
    if (i >= 20 && (i % Math.ceil(sorted.length / 200) === 0 || i === sorted.length - 1)) {
      points.push([(i + 1) / sorted.length, right / (i + 1)]);
    }
  }
  const rows = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1].flatMap((coverage) => {
    const point = points.find(([x]) => x >= coverage - 1e-9);
    return point ? [[percent(coverage), percent(point[1])]] : [];
  });
  return `${curve(points, 'share of queries answered', 'share of answers that are right')}${table(['answered', 'of these right'], rows)}`;
}

function confusions(judged: readonly JudgedRow[]): string {
  const { confusion } = summarise(judged, 1);
  if (confusion.length === 0) return '<p>Nothing: every row was understood.</p>';
  const rows = confusion.slice(0, MOST_CONFUSIONS).map(({ intent, predicted, count }) => {
    const examples = judged.filter(
      ({ row, prediction, right }) => !right && row.intent === intent && prediction.intent === predicted,
    );
    return [
      spoken(intent),
      spoken(predicted),
      String(count),
      examples
        .slice(0, EXAMPLES)
        .map(({ row }) => `“${row.text}”`)
        .join(' · '),
    ];
  });
  return table(['it was about', 'taken for', 'times', 'for example'], rows);
}

function calibration(judged: readonly JudgedRow[]): string {
  const inside = judged.filter(({ inScope }) => inScope);
  const bins = calibrationBins(inside, 10);
  const error = calibrationError(judged);
  if (error === null) return '<p>There are no rows to measure on.</p>';
  const shown = bins.map(({ confidence, accuracy }): [number, number] => [confidence, accuracy]);
  const rows = bins.map(({ rows: count, confidence, accuracy }) => [
    percent(confidence),
    percent(accuracy),
    String(count),
  ]);
  return `<p>Where it says 80 %, it should be right 8 times of 10. On average it is off by ${percent(error)}.</p>${bars(shown, 'what it says', 'how often it is right')}${table(['it says', 'it is right', 'rows'], rows)}`;
}

function suspects(model: SupportModel, judged: readonly JudgedRow[]): string {
  const measured = judged.flatMap(({ row, prediction, inScope, right }) => {
    const label = prediction.intents.find(({ intent }) => intent === row.intent)?.probability ?? 0;
    if (!inScope || right || label > DOUBTED || prediction.probability < SURE) return [];
    return [{ text: row.text, intent: row.intent, suggested: prediction.intent, probability: prediction.probability }];
  });
  const of = (list: typeof model.facts.suspects, where: string) =>
    list.map(({ text, intent, suggested, probability }) => [
      `“${text}”`,
      spoken(intent),
      spoken(suggested),
      percent(probability),
      where,
    ]);
  const rows = [...of(model.facts.suspects, 'training'), ...of(measured, 'measured')].slice(0, MOST_SUSPECTS);
  if (rows.length === 0) return '<p>None stands out.</p>';
  return `<p>Here the model is sure of another intent than the label says. Rows from training were judged by models that had not seen them.</p>${table(['query', 'label', 'the model says', 'how sure', 'rows'], rows)}`;
}

function intents(judged: readonly JudgedRow[]): string {
  const { perIntent } = summarise(judged, 1);
  const sorted = Object.entries(perIntent).sort(([, a], [, b]) => a.f1 - b.f1);
  const cells = sorted.map(([intent, { rows, precision, recall }]) => [
    spoken(intent),
    String(rows),
    percent(recall),
    precision === null ? 'never' : percent(precision),
  ]);
  return table(['intent', 'rows', 'recognised', 'right when it says so'], cells);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  return `<table><thead>${row(head, 'th')}</thead><tbody>${rows.map((cells) => row(cells, 'td')).join('')}</tbody></table>`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
