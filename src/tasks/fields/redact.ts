// Owns leaving fields out of a text before it goes anywhere else. Must not know where fields come from.
import { checkArgument, checkList } from '../../core/check.ts';
import type { Field } from './field-model.ts';

/** The text with each field of `labels` (default: all) as `[LABEL]`. */
export function redactFields(text: string, fields: readonly Field[], labels?: readonly string[]): string {
  checkArgument('redactFields', 'text', text, 'text');
  checkList('redactFields', 'fields', fields, 'object');
  if (labels !== undefined) checkList('redactFields', 'labels', labels, 'text');
  const hidden = fields.filter(({ label }) => labels === undefined || labels.includes(label));
  let [out, from] = ['', 0];
  for (const { label, start, end } of [...hidden].sort((a, b) => a.start - b.start)) {
    if (start < from) continue;
    out += `${text.slice(from, start)}[${label.toUpperCase()}]`;
    from = end;
  }
  return out + text.slice(from);
}
