// Owns the languages of regular expressions: where they may begin and end, what lies ahead, their characters as bytes.
import { OnebitError } from '../errors.ts';
import { automatonOf, both, without } from './automaton.ts';
import { type CharacterSet, inJson, inUtf8, LAST_CODE_POINT } from './code-points.ts';
import { type Automaton, choice, type Node, repeat, sequence } from './language.ts';
import { type Pattern, parsePattern } from './pattern-syntax.ts';

type Spelling = (set: CharacterSet) => Node;

/** Patterns come again with every request; formats are patterns too. */
const MOST_REMEMBERED = 64;
const searched = new Map<string, Automaton>();

export const ANY_CHARACTER: CharacterSet = [[0, LAST_CODE_POINT]];

/** Characters of a JSON string, without its quotes, in which `source` finds something: the meaning of `pattern` in JSON Schema. */
export function searchInJson(source: string): Automaton {
  let automaton = searched.get(source);
  if (!automaton) {
    automaton = read(parsePattern(source), inJson, true);
    if (searched.size >= MOST_REMEMBERED) searched.clear();
    searched.set(source, automaton);
  }
  return automaton;
}

/** Texts that `source` matches from beginning to end, in UTF-8. */
export function wholeText(source: string): Automaton {
  return read(parsePattern(source), inUtf8, false);
}

function read(pattern: Pattern, spell: Spelling, search: boolean): Automaton {
  const alternatives = pattern.kind === 'choice' ? pattern.items : [pattern];
  if (alternatives.every((item) => !findsAhead(item))) {
    return automatonOf(choice(...alternatives.map((item) => alternative(item, spell, search))));
  }
  if (alternatives.length > 1) throw misplaced('looking ahead in one of several alternatives');
  return readAhead(alternatives[0], spell, search);
}

/** `^(?=a)(?!b)c` is c, and begins with a, and does not begin with b. */
function readAhead(pattern: Pattern, spell: Spelling, search: boolean): Automaton {
  let items = [...itemsOf(pattern)];
  const begins = items[0]?.kind === 'begin';
  if (begins) items = items.slice(1);
  else if (search) throw misplaced('looking ahead without ^ before it');
  const conditions: { item: Pattern; negative: boolean }[] = [];
  while (items[0]?.kind === 'ahead') conditions.push(items.shift() as { item: Pattern; negative: boolean } & Pattern);
  if (items.some(findsAhead)) throw misplaced('looking ahead elsewhere than at the beginning');
  const rest: Pattern = { kind: 'sequence', items: [{ kind: 'begin' }, ...items] };
  let automaton = automatonOf(alternative(rest, spell, search));
  for (const { item, negative } of conditions) {
    const beginning: Pattern = { kind: 'sequence', items: [{ kind: 'begin' }, item] };
    const condition = automatonOf(alternative(beginning, spell, true));
    automaton = negative ? without(automaton, condition) : both(automaton, condition);
  }
  return automaton;
}

function findsAhead(pattern: Pattern): boolean {
  if (pattern.kind === 'ahead') return true;
  if (pattern.kind === 'repeat') return findsAhead(pattern.item);
  return 'items' in pattern && pattern.items.some(findsAhead);
}

/** A pattern with anything before and after it, unless `^` and `$` forbid. */
function alternative(pattern: Pattern, spell: Spelling, search: boolean): Node {
  const anything = repeat(spell(ANY_CHARACTER), 0, Number.POSITIVE_INFINITY);
  if (pattern.kind === 'choice') return choice(...pattern.items.map((item) => alternative(item, spell, search)));
  let items = itemsOf(pattern);
  const begins = items[0]?.kind === 'begin';
  if (begins) items = items.slice(1);
  const ends = items[items.length - 1]?.kind === 'end';
  if (ends) items = items.slice(0, -1);
  if (items.length === 1 && items[0].kind === 'choice' && items[0].items.some(hasAnchor)) {
    const wrap = (item: Pattern): Pattern => ({
      kind: 'sequence',
      items: [
        ...(begins ? [{ kind: 'begin' } as const] : []),
        ...itemsOf(item),
        ...(ends ? [{ kind: 'end' } as const] : []),
      ],
    });
    return choice(...items[0].items.map((item) => alternative(wrap(item), spell, search)));
  }
  const middle = items.map((item) => plain(item, spell));
  return sequence(...(search && !begins ? [anything] : []), ...middle, ...(search && !ends ? [anything] : []));
}

/** Sequences in sequences come from groups. */
function itemsOf(pattern: Pattern): readonly Pattern[] {
  return pattern.kind === 'sequence' ? pattern.items.flatMap(itemsOf) : [pattern];
}

function hasAnchor(pattern: Pattern): boolean {
  if (pattern.kind === 'begin' || pattern.kind === 'end') return true;
  if (pattern.kind === 'repeat') return hasAnchor(pattern.item);
  return 'items' in pattern && pattern.items.some(hasAnchor);
}

function plain(pattern: Pattern, spell: Spelling): Node {
  switch (pattern.kind) {
    case 'set':
      return spell(pattern.set);
    case 'sequence':
      return sequence(...pattern.items.map((item) => plain(item, spell)));
    case 'choice':
      return choice(...pattern.items.map((item) => plain(item, spell)));
    case 'repeat':
      return repeat(plain(pattern.item, spell), pattern.min, pattern.max);
    case 'begin':
      throw misplaced('^ elsewhere than at the beginning of an alternative');
    case 'end':
      throw misplaced('$ elsewhere than at the end of an alternative');
    case 'ahead':
      throw misplaced('looking ahead elsewhere than at the beginning');
  }
}

function misplaced(feature: string): OnebitError {
  return new OnebitError('unsupported', `pattern: ${feature} is not supported. Write it differently.`);
}
