// Owns: how benchmark rows are shown: a Markdown table, and a picture for the README. Must not know how they were measured.

const TITLES = {
  onebit: 'onebit',
  chromium: 'onebit in Chromium',
  llama: 'llama.cpp (native)',
  wllama: 'wllama (llama.cpp in WASM)',
};

/** @param {object} report as run.mjs writes it */
export function markdownTable({ machine, rows, bandwidth }) {
  const head = [
    `Machine: ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.platform}.`,
    `Load average when the run began: ${machine.loadAverage}${machine.realtime ? `; every engine under the real-time scheduler (\`chrt -r 1\`, ${throttle(machine)})` : ''}.`,
    `Read bandwidth in WASM, of as many passes over 256 MB as tokens: ${bandwidth.map((b) => `${b.threads} thread${plural(b.threads)} ${gb(b.best)} GB/s best, ${gb(b.median)} median, fastest pass ${gb(b.fastestPass)}`).join('; ')}.`,
    'Tokens per second: best of the rounds (median; lowest). Ratio: against llama.cpp with the same threads, best against best (median against median).',
  ];
  const columns = [
    ...['model', 'format', 'engine', 'threads', 'prompt / context', 'rounds', 'prefill tok/s', 'decode tok/s'],
    ...['GB/s', 'of read bandwidth', 'prefill ratio', 'decode ratio', 'commit'],
  ];
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const body = rows.map((row) => [
    ...[row.model, row.format, TITLES[row.engine] ?? row.engine, row.threads],
    ...[`${row.promptTokens} / ${row.contextTokens}`, row.rounds, spread(row.prefill), spread(row.decode)],
    ...[gb(row.bytesPerSecond), percent(row.shareOfReadBandwidth)],
    ...[ratio(row.ratioToLlamaCpp?.prefill), ratio(row.ratioToLlamaCpp?.decode), row.commit],
  ]);
  return `${head.join('  \n')}\n\n${[columns, columns.map(() => '---'), ...body].map(line).join('\n')}\n`;
}

const throttle = ({ realtimeMicroseconds: us }) => (us < 0 ? 'unthrottled' : `${us / 1e4} % of each second`);
const plural = (count) => (count === 1 ? '' : 's');
const number = (value) => (Number.isFinite(value) ? value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0) : '–');
const gb = (value) => (Number.isFinite(value) ? (value / 1e9).toFixed(1) : '–');
const percent = (value) => (Number.isFinite(value) ? `${Math.round(value * 100)} %` : '–');
const spread = ({ best, median, min }) => `**${number(best)}** (${number(median)}; ${number(min)})`;
const ratio = (value) => (value ? `${value.best.toFixed(2)} (${value.median.toFixed(2)})` : '–');

const ROW = 26;
const LEFT = 250;
const WIDTH = 760;
const BAR = WIDTH - LEFT - 110;
const GROUP = 40;

/**
 * Horizontal bars of the best decode speed, a group a model. Text follows the reader's dark or light theme.
 * Each group has its own scale: the models differ by a factor of hundreds.
 */
export function decodePicture({ machine, rows }) {
  const groups = new Map();
  for (const row of rows) {
    const title = `${row.model} (${row.format}, ${(row.fileBytes / 1e6).toFixed(0)} MB), decode after ${row.contextTokens} tokens`;
    const key = `${row.model} ${row.format} ${row.context}`;
    if (!groups.has(key)) groups.set(key, { title, rows: [] });
    groups.get(key).rows.push(row);
  }
  let y = 34;
  const parts = [];
  for (const { title, rows: members } of groups.values()) {
    y += GROUP;
    parts.push(`<text class="group" x="12" y="${y - 12}">${escapeXml(title)}</text>`);
    const longest = Math.max(...members.map((row) => row.decode.best));
    for (const row of [...members].sort((a, b) => b.decode.best - a.decode.best)) {
      parts.push(...bar(row, y, longest));
      y += ROW;
    }
  }
  const height = y + 34;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title">
<title id="title">Decode speed in tokens per second</title>
<style>
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.head { font-size: 16px; font-weight: 600; } .group { font-weight: 600; } .note { font-size: 11px; opacity: 0.75; }
.onebit { fill: #0969da; } .llama { fill: #8c959f; } .wllama { fill: #bf8700; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .onebit { fill: #4493f8; } .llama { fill: #768390; } .wllama { fill: #d29922; } }
</style>
<text class="head" x="12" y="26">Decode speed, tokens per second</text>
${parts.join('\n')}
<text class="note" x="12" y="${height - 12}">${escapeXml(`${machine.cpu}, ${machine.cores} cores; best of ${rows[0]?.rounds ?? 0} alternating rounds, ${machine.date}`)}</text>
</svg>
`;
}

function bar(row, y, longest) {
  const width = Math.max(2, (BAR * row.decode.best) / longest);
  const label = `${TITLES[row.engine] ?? row.engine}, ${row.threads} thread${plural(row.threads)}`;
  return [
    `<text x="${LEFT - 10}" y="${y + 15}" text-anchor="end">${escapeXml(label)}</text>`,
    `<rect class="${row.engine}" x="${LEFT}" y="${y + 2}" width="${width.toFixed(1)}" height="18" rx="3"/>`,
    `<text x="${(LEFT + width + 8).toFixed(1)}" y="${y + 16}">${number(row.decode.best)}</text>`,
  ];
}

const escapeXml = (value) => value.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);
