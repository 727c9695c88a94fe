// Owns what the scripts that make dialogues share: words for dates, and the file.
import { writeFileAtomically } from '../dist/bytes/file-write.js';

export const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June'],
  ...['July', 'August', 'September', 'October', 'November', 'December'],
];

/** 1st, 2nd, 3rd, 4th … */
export function ordinal(day) {
  const suffix = day >= 11 && day <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][day % 10] ?? 'th');
  return `${day}${suffix}`;
}

/** Writes dialogues with blank lines between them. */
export async function writeDialogues(path, dialogues) {
  await writeFileAtomically(path, (append) => append(new TextEncoder().encode(`${dialogues.join('\n\n')}\n`)));
  console.error(`${dialogues.length} dialogues written to ${path}`);
}
