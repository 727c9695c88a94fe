// Owns the table of bundlers, runtimes, compilers and browsers in docs/compatibility.md: made from results, between two marks.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const BEGIN = '<!-- made by npm run test:compat -->';
const END = '<!-- end -->';

/** Puts new results beside those that are kept, and writes the table. */
export function writeTable(root, cells, results) {
  const kept = join(root, 'docs/compatibility.json');
  const all = { ...(existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : {}), ...results };
  const known = Object.fromEntries(cells.filter(({ id }) => all[id]).map(({ id }) => [id, all[id]]));
  writeFileSync(kept, `${JSON.stringify(known, null, 2)}\n`);
  const rows = cells.map(({ id, name }) => {
    const { works, version, date } = known[id] ?? {};
    return `| ${name} | ${works === undefined ? 'not run' : works ? 'yes' : 'no'} | ${works === undefined ? '' : `${version}, ${date}`} | \`${id}\` |`;
  });
  const table = [BEGIN, '', '| with | works | tested | cell |', '|---|---|---|---|', ...rows, '', END].join('\n');
  const path = join(root, 'docs/compatibility.md');
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '# Compatibility\n';
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  const section = '\n## Bundlers, runtimes, compilers, browsers\n\n';
  writeFileSync(
    path,
    begin < 0 ? `${text.trimEnd()}\n${section}${table}\n` : text.slice(0, begin) + table + text.slice(end + END.length),
  );
}
