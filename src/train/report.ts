// Owns the HTML report of a run: one file with curves, numbers and samples, nothing loaded from elsewhere. Must not know files or training.
import { type CurvePoint, rangeOf } from './report-curve.ts';
import type { TrainDone, TrainProgress, TrainSample, TrainStart } from './train-options.ts';

/** A table of a report: a row for each thing, its name first. */
export interface ReportTable {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What a report needs of a run, gathered event by event. */
export class RunRecord {
  start?: TrainStart;
  done?: TrainDone;
  tokensPerSecond = 0;
  /** What the caller found out about the model. */
  readonly tables: ReportTable[] = [];
  readonly samples: TrainSample[] = [];
  readonly notices: string[] = [];
  readonly losses: CurvePoint[] = [];
  readonly heldOut: CurvePoint[] = [];

  add(event: TrainProgress): void {
    if (event.type === 'start') this.start = event;
    else if (event.type === 'sample') this.samples.push(event);
    else if (event.type === 'notice') this.notices.push(event.message);
    else if (event.type === 'evaluation') this.heldOut.push({ step: event.step, value: event.bitsPerByte });
    else if (event.type === 'done') this.done = event;
    else if (event.type === 'step') {
      this.tokensPerSecond = event.tokensPerSecond;
      this.losses.push({ step: event.step, value: event.bitsPerByte });
      // Twice what a picture can show; the points of every other update go.
      if (this.losses.length > 4000) this.losses.splice(0, 4000, ...this.losses.filter((_, i) => i % 2 === 1));
    }
  }
}

const STYLE = `:root{color-scheme:light dark;--ink:#1c1c1c;--paper:#fff;--line:#ccc;--a:#b04a00;--b:#0a62a8}
@media (prefers-color-scheme:dark){:root{--ink:#e6e6e6;--paper:#161616;--line:#444;--a:#ff9d57;--b:#6bb8ff}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{border-bottom:1px solid var(--line);padding:.2rem 1rem .2rem 0;text-align:left;font-weight:400}
svg{width:100%;height:auto}text{fill:var(--ink);font-size:12px}.a{stroke:var(--a)}.b{stroke:var(--b)}
polyline{fill:none;stroke-width:1.5}line{stroke:var(--line)}pre{white-space:pre-wrap;border-left:3px solid var(--line);padding-left:1rem}`;

/** The report as one HTML document. */
export function htmlReport(record: RunRecord, about: { title: string; corpora: readonly string[] }): string {
  const { start, done } = record;
  const losses = done ? done.losses : record.losses;
  const heldOut = done ? done.evaluations : record.heldOut;
  const sections = [
    `<h1>${escapeHtml(about.title)}</h1>`,
    `<p>${escapeHtml(headline(record))}</p>`,
    ...record.tables.map(tableHtml),
    '<h2>Bits per byte</h2>',
    plot(losses, heldOut),
    '<p><span style="color:var(--a)">training, mean of about 30 updates</span> · <span style="color:var(--b)">held-out text</span></p>',
    record.samples.length > 0 ? `<h2>Samples</h2>${record.samples.map(sampleHtml).join('')}` : '',
    '<h2>Data</h2>',
    table({ corpora: about.corpora.join(', '), ...dataOf(start) }),
    start ? `<h2>Shape</h2>${table({ ...start.shape, parameters: start.parameters })}` : '',
    start ? `<h2>Recipe</h2>${table(recipeRows(start))}` : '',
    record.notices.length > 0
      ? `<h2>Notes</h2><ul>${record.notices.map((text) => `<li>${escapeHtml(text)}</li>`).join('')}</ul>`
      : '',
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="generator" content="onebit"><title>${escapeHtml(about.title)}</title><style>${STYLE}</style></head>
<body>${sections.join('\n')}</body></html>
`;
}

function headline({ done, tokensPerSecond, heldOut }: RunRecord): string {
  if (!done) {
    const last = heldOut[heldOut.length - 1];
    return `Still running at ${tokensPerSecond.toFixed(0)} tokens/s${last ? `; ${last.value.toFixed(3)} bits/byte on held-out text` : ''}.`;
  }
  const quality = done.validation
    ? `${done.validation.bitsPerByte.toFixed(4)} bits per byte on ${done.validation.bytes} held-out bytes`
    : 'nothing held out';
  const ended = done.complete ? '' : ' Interrupted before its end.';
  return `${quality}; ${(done.model.length / 1e6).toFixed(3)} MB; ${done.steps} updates, ${done.tokens} tokens in ${done.seconds.toFixed(0)} s (${done.tokensPerSecond.toFixed(0)} tokens/s).${ended}`;
}

function dataOf(start: TrainStart | undefined): Record<string, unknown> {
  if (!start) return {};
  const { documents, validationDocuments, corpusTokens, bytesPerToken } = start;
  return {
    documents,
    'held out': validationDocuments,
    tokens: corpusTokens,
    'bytes a token': bytesPerToken.toFixed(3),
  };
}

function recipeRows({ recipe, minutes, batchTokens, seed }: TrainStart): Record<string, unknown> {
  const { steps, ...rest } = recipe;
  return { ...(minutes === undefined ? { steps } : { minutes }), batchTokens, seed, ...rest };
}

function sampleHtml({ step, prompt, text }: TrainSample): string {
  return `<p>Update ${step}</p><pre><b>${escapeHtml(prompt)}</b>${escapeHtml(text)}</pre>`;
}

function tableHtml({ title, columns, rows }: ReportTable): string {
  const cells = (row: readonly string[], tag: string) =>
    `<tr>${row.map((text) => `<${tag}>${escapeHtml(text)}</${tag}>`).join('')}</tr>`;
  return `<h2>${escapeHtml(title)}</h2><table>${cells(columns, 'th')}${rows.map((row) => cells(row, 'td')).join('')}</table>`;
}

function table(rows: Record<string, unknown>): string {
  const cells = Object.entries(rows).map(
    ([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(String(value))}</td></tr>`,
  );
  return `<table>${cells.join('')}</table>`;
}

function plot(losses: readonly CurvePoint[], heldOut: readonly CurvePoint[]): string {
  const all = [...losses, ...heldOut].filter(({ value }) => Number.isFinite(value));
  if (all.length < 2) return '<p>Too few updates for a curve.</p>';
  const { low, high } = rangeOf(all);
  const last = Math.max(...all.map(({ step }) => step), 1);
  const [left, top, width, height] = [50, 10, 840, 300];
  const x = (step: number) => left + (step / last) * width;
  const y = (value: number) => top + ((high - Math.min(high, value)) / (high - low)) * height;
  const path = (points: readonly CurvePoint[], kind: string) =>
    `<polyline class="${kind}" points="${points.map(({ step, value }) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(' ')}"/>`;
  const ticks = Array.from({ length: 5 }, (_, i) => {
    const value = low + ((high - low) * i) / 4;
    const step = Math.round((last * i) / 4);
    return `<line x1="${left}" x2="${left + width}" y1="${y(value)}" y2="${y(value)}"/><text x="${left - 8}" y="${y(value) + 4}" text-anchor="end">${value.toFixed(2)}</text><text x="${x(step)}" y="${top + height + 18}" text-anchor="middle">${step}</text>`;
  });
  return `<svg viewBox="0 0 900 340" role="img" aria-label="bits per byte over updates">${ticks.join('')}${path(losses, 'a')}${path(heldOut, 'b')}</svg>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]!);
}
