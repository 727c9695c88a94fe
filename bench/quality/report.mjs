// Owns how models of several kinds are shown by size and quality: a Markdown table and a picture. Must not know how they were trained.

const KINDS = { binary: '1-bit', ternary: 'ternary', float: 'fp16' };

/** @param {object} report as run.mjs writes it */
export function qualityTable({ machine, rows }) {
  const head = ['model', 'weights', 'file', 'minutes', 'tokens seen', 'tokens/s', 'bits per byte'];
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const body = sorted(rows).map((row) => [
    `${KINDS[row.kind]}, width ${row.width}, ${row.layers} layers`,
    `${(row.parameters / 1e6).toFixed(2)} M`,
    `${(row.bytes / 1e6).toFixed(2)} MB`,
    row.minutes,
    `${(row.tokens / 1e6).toFixed(2)} M`,
    row.tokensPerSecond,
    row.bitsPerByte.toFixed(3),
  ]);
  const note = `Trained by the same command on the same text for the same time (bench/quality/run.mjs; ${machine}), tokenizers of ${rows[0]?.vocabulary} tokens included in the files. Bits per byte of held-out text, in the exported file.`;
  return `${note}\n\n${[head, head.map(() => '---'), ...body].map(line).join('\n')}\n`;
}

const sorted = (rows) =>
  [...rows].sort((a, b) => a.minutes - b.minutes || a.kind.localeCompare(b.kind) || a.bytes - b.bytes);

const [WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM] = [760, 420, 60, 44, 20, 56];

/** Bits per byte over file size (logarithmic), a line a kind and time. Text follows the reader's dark or light theme. */
export function qualityPicture({ machine, rows }) {
  const sizes = rows.map((row) => Math.log10(row.bytes));
  const values = rows.map((row) => row.bitsPerByte);
  const x = scale(Math.min(...sizes) - 0.08, Math.max(...sizes) + 0.08, LEFT, WIDTH - RIGHT);
  const y = scale(Math.max(...values) + 0.03, Math.min(...values) - 0.03, TOP, HEIGHT - BOTTOM);
  const lines = [];
  const times = [...new Set(rows.map((row) => row.minutes))].sort((a, b) => a - b);
  for (const kind of Object.keys(KINDS)) {
    for (const [t, minutes] of times.entries()) {
      const members = rows
        .filter((row) => row.kind === kind && row.minutes === minutes)
        .sort((a, b) => a.bytes - b.bytes);
      if (members.length === 0) continue;
      const points = members.map((row) => [x(Math.log10(row.bytes)).toFixed(1), y(row.bitsPerByte).toFixed(1)]);
      const dash = t === times.length - 1 ? '' : ' stroke-dasharray="5 4"';
      lines.push(`<polyline class="${kind} line" points="${points.join(' ')}"${dash}/>`);
      for (const [cx, cy] of points) lines.push(`<circle class="${kind}" cx="${cx}" cy="${cy}" r="4"/>`);
      const [cx, cy] = points.at(-1).map(Number);
      const place =
        points.length > 1
          ? `x="${cx - 6}" y="${cy - 9}" text-anchor="end"`
          : `x="${cx}" y="${cy + 18}" text-anchor="middle"`;
      lines.push(`<text class="${kind}" ${place}>${KINDS[kind]}, ${minutes} min</text>`);
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="title">
<title id="title">Bits per byte of held-out text against file size</title>
<style>
text { font: 13px system-ui, sans-serif; fill: #24292f; } .head { font-size: 16px; font-weight: 600; } .note { font-size: 11px; opacity: 0.75; }
.grid { stroke: #8c959f; stroke-opacity: 0.35; } .line { fill: none; stroke-width: 2; }
.binary { fill: #0969da; stroke: #0969da; } .ternary { fill: #1a7f37; stroke: #1a7f37; } .float { fill: #bf8700; stroke: #bf8700; }
.line { fill: none; } text.binary, text.ternary, text.float { stroke: none; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } }
</style>
<text class="head" x="12" y="26">Bits per byte of held-out text (lower is better) against file size</text>
${grid(x, y, sizes, values).join('\n')}
${lines.join('\n')}
<text class="note" x="12" y="${HEIGHT - 10}">Same command, text and training time; ${machine}</text>
</svg>
`;
}

function scale(from, to, low, high) {
  return (value) => low + ((value - from) / (to - from)) * (high - low);
}

function grid(x, y, sizes, values) {
  const parts = [];
  for (const megabytes of [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]) {
    const at = Math.log10(megabytes * 1e6);
    if (at < Math.min(...sizes) - 0.08 || at > Math.max(...sizes) + 0.08) continue;
    parts.push(
      `<line class="grid" x1="${x(at).toFixed(1)}" x2="${x(at).toFixed(1)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/>`,
    );
    parts.push(`<text x="${x(at).toFixed(1)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${megabytes} MB</text>`);
  }
  for (let tenth = Math.ceil(Math.min(...values) * 10); tenth <= Math.max(...values) * 10; tenth++) {
    const at = y(tenth / 10).toFixed(1);
    parts.push(`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>`);
    parts.push(`<text x="${LEFT - 8}" y="${Number(at) + 4}" text-anchor="end">${(tenth / 10).toFixed(1)}</text>`);
  }
  return parts;
}
