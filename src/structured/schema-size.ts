// Owns how large a schema may be, looked at before anything is made of it. Knows no keywords but those of notes.
import { OnebitError } from '../errors.ts';

/** Objects, lists, texts, numbers, words and names of all of a schema. */
const MOST_VALUES = 50_000;
/** Characters of its texts and names, but for notes. */
const MOST_CHARACTERS = 1 << 20;
/** Texts that mean nothing for the form. */
const NOTES = new Set(['description', 'title', '$comment', 'markdownDescription']);

/** Looks at a schema, or at several in a list. @throws OnebitError `over-budget` where there is too much of it */
export function checkSchemaSize(schema: unknown): void {
  let values = 0;
  let characters = 0;
  const open: unknown[] = [schema];
  const count = (value: unknown) => {
    values++;
    if (typeof value === 'string') characters += value.length;
    else if (typeof value === 'object' && value !== null) open.push(value);
  };
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (Array.isArray(next)) {
      if (values + next.length > MOST_VALUES) throw tooLarge();
      for (const value of next) count(value);
      continue;
    }
    for (const name in next as object) {
      values++;
      characters += name.length;
      const value = (next as Record<string, unknown>)[name];
      if (!(NOTES.has(name) && typeof value === 'string')) count(value);
      if (values > MOST_VALUES) throw tooLarge();
    }
    if (characters > MOST_CHARACTERS) throw tooLarge();
  }
}

function tooLarge(): OnebitError {
  return new OnebitError(
    'over-budget',
    `compileSchema: a schema must have at most ${MOST_VALUES} values and names, and ${MOST_CHARACTERS} characters in them, got more. Send a smaller one.`,
  );
}
