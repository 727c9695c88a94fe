// Owns the report on several models as one HTML page: for whoever decides, what each costs and what it gets right; for whoever builds, intervals, calibration,
// and the questions that one gets wrong and another right. Nothing is loaded from elsewhere. Must not know how it was measured.
import { log } from '../core/elementary.ts';
import type { AskSummary } from './asks.ts';
import type { CalibrationReport } from './calibration.ts';
import type { ChoiceSummary, Estimate } from './choices.ts';
import type { Comparison } from './compare.ts';
import { type Difference, differencesOf } from './differences.ts';
import type { TextScore } from './rolling.ts';

/** What measuring a model took. */
export interface Cost {
  /** Tokens that were read or written. */
  readonly tokens: number;
  readonly seconds: number;
  readonly tokensPerSecond: number;
  /** Of the file; absent behind an endpoint. */
  readonly fileBytes?: number;
  readonly memoryBytes?: number;
  /** A million tokens. */
  readonly joules?: number;
  /** How `joules` is known: read from the machine (RAPL, the whole package), or watts that somebody stated. */
  readonly energyFrom?: 'rapl' | 'stated';
  /** A million tokens at the stated price of a kilowatt-hour. */
  readonly price?: number;
}

export interface TaskReport {
  readonly task: string;
  readonly form: string;
  readonly fewShot: number;
  readonly choices?: ChoiceSummary;
  readonly asks?: AskSummary;
  /** Whether each question was right, in order, and what was asked. */
  readonly right: readonly boolean[];
}

export interface ModelReport {
  readonly model: string;
  readonly backend: string;
  readonly cost: Cost;
  readonly tasks: readonly TaskReport[];
  readonly texts: readonly ({ readonly text: string } & TextScore)[];
  readonly against?: readonly ({ readonly text: string; readonly model: string } & Comparison)[];
}

/** A question as it is shown: what was asked, what is right, what each model made of it. */
export interface Shown {
  readonly question: string;
  readonly right: string;
  readonly given: readonly string[];
}

export interface ReportFacts {
  readonly title: string;
  readonly conventions: string;
  readonly limit?: number;
  readonly currency?: string;
  readonly pricePerKwh?: number;
  /** By task and question. */
  readonly shown: (task: number, question: number) => Shown;
}

const STYLE = `:root{color-scheme:light dark;--ink:#1c1c1c;--paper:#fff;--line:#ccc;--a:#b04a00;--b:#0a62a8}
@media (prefers-color-scheme:dark){:root{--ink:#e6e6e6;--paper:#161616;--line:#444;--a:#ff9d57;--b:#6bb8ff}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{border-bottom:1px solid var(--line);padding:.2rem 1rem .2rem 0;text-align:left;font-weight:400;vertical-align:top}
div{overflow-x:auto}
svg{width:100%;height:auto}text{fill:var(--ink);font-size:12px}circle{fill:var(--a)}line{stroke:var(--line)}.bar{stroke:var(--a)}
pre{white-space:pre-wrap;border-left:3px solid var(--line);padding-left:1rem}textarea{width:100%;height:12rem;font:13px/1.4 monospace}`;

/** The page. */
export function evaluateReport(models: readonly ModelReport[], facts: ReportFacts): string {
  const sections = [
    `<h1>${escapeHtml(facts.title)}</h1>`,
    `<p>${escapeHtml(headline(models))}</p>`,
    '<h2>Side by side</h2>',
    htmlTable(rowsOf(models, facts)),
    picture(models, 'Quality against bytes', 'MB of the file', ({ fileBytes }) => fileBytes && fileBytes / 1e6),
    picture(models, 'Quality against energy', 'J a million tokens', ({ joules }) => joules),
    ...(models.length > 1 ? [lossesOf(models, facts)] : []),
    '<h2>How sure, and how right</h2>',
    calibrationTable(models),
    '<h2>To paste</h2>',
    `<textarea readonly aria-label="the table in Markdown">${escapeHtml(markdownTable(rowsOf(models, facts)))}</textarea>`,
    '<h2>How it was measured</h2>',
    `<p>${escapeHtml(facts.conventions)}${facts.limit === undefined ? '' : ` Only the first ${facts.limit} questions of each task.`} Intervals are of 95 %.</p>`,
    `<ul>${models.map(({ model, backend }) => `<li>${escapeHtml(`${model}: ${backend}`)}</li>`).join('')}</ul>`,
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="generator" content="onebit"><title>${escapeHtml(facts.title)}</title><style>${STYLE}</style></head>
<body>${sections.join('\n')}</body></html>
`;
}

/** The estimate that stands for a task. */
export function scoreOf({ choices, asks }: TaskReport): Estimate {
  return asks?.loose_match ?? choices!.acc_mutual_info ?? choices!.acc;
}

/** What that estimate is called. */
function measureOf({ choices, asks }: Pick<TaskReport, 'choices' | 'asks'>): string {
  return asks ? 'loose_match' : choices!.acc_mutual_info ? 'acc_mutual_info' : 'acc';
}

function headline(models: readonly ModelReport[]): string {
  const best = [...models].filter(({ tasks }) => tasks.length > 0).sort((a, b) => meanScore(b) - meanScore(a))[0];
  if (!best) return 'Texts only: fewer bits per byte are better.';
  const said = `${best.model} gets ${percent(meanScore(best))} of the questions right (mean over the tasks)`;
  const smallest = [...models].sort((a, b) => (a.cost.fileBytes ?? Infinity) - (b.cost.fileBytes ?? Infinity))[0];
  if (models.length === 1 || smallest === best || smallest.cost.fileBytes === undefined) return `${said}.`;
  const share =
    best.cost.fileBytes === undefined ? '' : `, ${percent(smallest.cost.fileBytes / best.cost.fileBytes)} of its bytes`;
  return `${said}; ${smallest.model}${share}, gets ${percent(meanScore(smallest))}.`;
}

function meanScore({ tasks }: ModelReport): number {
  return tasks.reduce((sum, task) => sum + scoreOf(task).value, 0) / Math.max(1, tasks.length);
}

/** Rows of the table: the first is its head. */
export function rowsOf(models: readonly ModelReport[], { currency = '' }: Pick<ReportFacts, 'currency'>): string[][] {
  const [first] = models;
  const head = [
    'model',
    ...first.tasks.map(
      ({ task, choices, asks }) => `${task}, ${measureOf({ choices, asks })} (${asks ? asks.items : choices!.items})`,
    ),
    ...first.texts.map(({ text }) => `${text}, bits a byte`),
    ...(first.against ?? []).flatMap(({ text, model }) => [
      `${text}, divergence from ${model} in nats`,
      `${text}, same likeliest token as ${model}`,
    ]),
    ...[
      'MB',
      'tokens a second',
      'J per M tokens',
      ...(first.cost.price === undefined ? [] : [`${currency} per M tokens`]),
    ],
  ];
  return [
    head,
    ...models.map(({ model, tasks, texts, against = [], cost }) => [
      model,
      ...tasks.map((task) => withInterval(scoreOf(task), percent)),
      ...texts.map(({ interval }) => withInterval(interval, (value) => value.toFixed(4))),
      ...against.flatMap(({ klDivergence, sameTop }) => [
        withInterval(klDivergence, (value) => value.toFixed(4)),
        withInterval(sameTop, percent),
      ]),
      cost.fileBytes === undefined ? '–' : (cost.fileBytes / 1e6).toFixed(cost.fileBytes < 1e8 ? 2 : 0),
      cost.tokensPerSecond.toFixed(0),
      cost.joules === undefined
        ? 'not known here'
        : `${cost.joules.toFixed(0)}${cost.energyFrom === 'stated' ? ' (stated watts)' : ''}`,
      ...(first.cost.price === undefined ? [] : [cost.price === undefined ? '–' : cost.price.toFixed(4)]),
    ]),
  ];
}

function withInterval({ value, from, to }: Estimate, show: (value: number) => string): string {
  return `${show(value)} (${show(from)} to ${show(to)})`;
}

/** A table in Markdown. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head, ...rest] = rows.map(
    (row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|').replace(/\s+/g, ' ')).join(' | ')} |`,
  );
  return [head, `|${' --- |'.repeat(rows[0].length)}`, ...rest].join('\n');
}

/** Where the first model loses against each other one, by how much, with examples. */
function lossesOf(models: readonly ModelReport[], facts: ReportFacts): string {
  const [first, ...others] = models;
  const parts = others.flatMap((other, o) =>
    first.tasks.map((task, t) => {
      const difference = differencesOf(task.right, other.tasks[t].right);
      const examples = difference.lost
        .slice(0, 5)
        .map((question) => exampleOf(facts.shown(t, question), first.model, other.model, o + 1));
      return `<h3>${escapeHtml(`${task.task}: ${first.model} against ${other.model}`)}</h3><p>${escapeHtml(said(difference))}</p>${examples.join('')}`;
    }),
  );
  return `<h2>Where ${escapeHtml(first.model)} loses</h2>${parts.join('')}`;
}

function said({ estimate, lost, won }: Difference): string {
  const points = (value: number) => `${value >= 0 ? '+' : ''}${(100 * value).toFixed(1)}`;
  const sure = estimate.from > 0 || estimate.to < 0 ? '' : ': within chance';
  return `${points(estimate.value)} points (${points(estimate.from)} to ${points(estimate.to)})${sure}. It alone is right on ${won.length} questions, the other alone on ${lost.length}.`;
}

function exampleOf({ question, right, given }: Shown, first: string, other: string, at: number): string {
  const lines = [`${question}`, `right: ${right}`, `${first}: ${given[0]}`, `${other}: ${given[at]}`];
  return `<pre>${escapeHtml(lines.join('\n'))}</pre>`;
}

function calibrationTable(models: readonly ModelReport[]): string {
  const rows = models.flatMap(({ model, tasks }) =>
    tasks.flatMap(({ task, choices, asks }) => {
      const reports: Record<string, CalibrationReport | undefined> = { ...choices?.calibration, ...asks?.calibration };
      return Object.entries(reports).flatMap(([by, report]) => {
        if (!report) return [];
        const at = (share: number) =>
          percent(report.coverage.find(({ coverage }) => coverage === share)?.errorRate ?? 0);
        return [[model, task, by, report.ece.toFixed(3), report.calibratedEce.toFixed(3), at(1), at(0.5)]];
      });
    }),
  );
  const head = [
    'model',
    'task',
    'confidence',
    'calibration error',
    'after calibration',
    'errors',
    'errors on the surer half',
  ];
  return rows.length === 0 ? '<p>No task with a confidence.</p>' : htmlTable([head, ...rows]);
}

function htmlTable(rows: readonly (readonly string[])[]): string {
  const [head, ...rest] = rows;
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  return `<div><table>${line(head, 'th')}${rest.map((row) => line(row, 'td')).join('')}</table></div>`;
}

/** Mean score over a quantity, on a logarithmic axis; nothing where fewer than two models have it. */
function picture(
  models: readonly ModelReport[],
  title: string,
  axis: string,
  of: (cost: Cost) => number | undefined,
): string {
  const points = models.flatMap((model) => {
    const x = of(model.cost);
    if (x === undefined || x <= 0 || model.tasks.length === 0) return [];
    const [y, name] = [meanScore(model), model.model.split('/').at(-1)];
    return [{ label: `${name}: ${percent(y)}, ${Number(x.toPrecision(3))} ${axis.split(' ')[0]}`, x: log(x), y }];
  });
  if (points.length < 2) return '';
  const low = Math.min(...points.map(({ x }) => x)) - 0.2;
  const high = Math.max(...points.map(({ x }) => x)) + 0.6;
  const at = (x: number) => 50 + ((x - low) / (high - low)) * 800;
  const height = (y: number) => 270 - 240 * y;
  const dots = points.map(
    ({ label, x, y }) =>
      `<circle cx="${at(x).toFixed(1)}" cy="${height(y).toFixed(1)}" r="5"/><text x="${(at(x) + 9).toFixed(1)}" y="${(height(y) + 4).toFixed(1)}">${escapeHtml(label)}</text>`,
  );
  const lines = [0, 0.25, 0.5, 0.75, 1].map(
    (y) =>
      `<line x1="50" x2="850" y1="${height(y)}" y2="${height(y)}"/><text x="42" y="${height(y) + 4}" text-anchor="end">${100 * y} %</text>`,
  );
  return `<h2>${title}</h2><svg viewBox="0 0 900 300" role="img" aria-label="${title}">${lines.join('')}${dots.join('')}<text x="450" y="295" text-anchor="middle">${axis} (logarithmic)</text></svg>`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]!);
}
