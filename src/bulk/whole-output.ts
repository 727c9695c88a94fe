// Owns telling whether an output that is whole holds the rows that a run would read. Must not know what was done with them: an output does not say by which model
// and options it was made.
import { type BatchOptions, rowChooser } from './batch.ts';
import { openRows, type RowFile } from './row-file.ts';

/**
 * Whether `output` has the rows of `file` that `limit` and `sample` choose, all and in order. Cells are compared where both files are tables or both JSON
 * lines; otherwise they may be written differently, and rows are counted.
 * @throws OnebitError `bad-file` for an output that cannot be read
 */
export async function holdsRowsOf(
  output: string,
  file: RowFile,
  chosen: Pick<BatchOptions, 'limit' | 'sample' | 'seed' | 'signal'>,
): Promise<boolean> {
  const made = await openRows(output, [], chosen.signal);
  const comparesCells = made.kind === file.kind && file.kind !== 'workbook';
  const places = placesOf(file.columns, made.columns);
  if (comparesCells && made.count > 0 && places.includes(-1)) return false;
  const isChosen = rowChooser(file.count, chosen);
  const others = made.rows(chosen.signal);
  for await (const { index, cells } of file.rows(chosen.signal)) {
    if (!isChosen(index)) continue;
    const { value: other, done } = await others.next();
    if (done) return false;
    if (!comparesCells) continue;
    if (places.some((place, i) => (cells[i] ?? '') !== (other.cells[place] ?? ''))) return false;
  }
  return (await others.next()).done === true;
}

/** Where each of `names` stands in `columns`: of equal ones each its own. */
function placesOf(names: readonly string[], columns: readonly string[]): number[] {
  const last = new Map<string, number>();
  return names.map((name) => {
    const place = columns.indexOf(name, (last.get(name) ?? -1) + 1);
    last.set(name, place);
    return place;
  });
}
