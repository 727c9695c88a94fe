// Owns breaking long lines as Python's textwrap does, for the filter `wordwrap`. Must not know syntax.
import { elementsOf } from './values.ts';
import { TemplateError, type Work } from './work.ts';

export interface Wrapping {
  readonly width: number;
  /** Whether a word longer than the width is cut. */
  readonly cutsWords: boolean;
  /** Whether a line may end behind a hyphen within a word. */
  readonly cutsAtHyphens: boolean;
}

const SPACE = /^[\t\n\v\f\r ]/;

/** One line as several of at most `width` characters; as in Python a line that is full when a long word begins keeps the space at its end. */
export function wrapLine(line: string, wrapping: Wrapping, work: Work): string[] {
  if (wrapping.width < 1) throw new TemplateError('the width of a line must be above 0');
  const characters = elementsOf(line, work) as readonly string[];
  work.step(4 * characters.length);
  const lines: string[] = [];
  let current: string[] = [];
  let length = 0;
  const end = () => {
    if (current.length > 0 && SPACE.test(current.at(-1)!)) current.pop();
    if (current.length > 0) lines.push(current.join(''));
    current = [];
    length = 0;
  };
  for (const chunk of chunksOf(characters, wrapping.cutsAtHyphens)) {
    for (let from = 0; from < chunk.length; ) {
      if (current.length === 0 && lines.length > 0 && SPACE.test(chunk[0])) break;
      const left = chunk.length - from;
      if (length + left <= wrapping.width) {
        current.push(chunk.slice(from).join(''));
        length += left;
        break;
      }
      if (left > wrapping.width) {
        const room = wrapping.width - length;
        const cut = wrapping.cutsWords ? placeToCut(chunk.slice(from, from + room), wrapping) : left;
        if (wrapping.cutsWords || current.length === 0) {
          current.push(chunk.slice(from, from + cut).join(''));
          from += cut;
        }
      }
      end();
    }
  }
  end();
  return lines;
}

/** How much of the beginning of a word that is too long is taken: all that there is room for, or up to its last hyphen, if that is not all hyphens. */
function placeToCut(beginning: readonly string[], { cutsAtHyphens }: Wrapping): number {
  const hyphen = cutsAtHyphens ? beginning.lastIndexOf('-') : -1;
  return hyphen > 0 && beginning.slice(0, hyphen).some((character) => character !== '-')
    ? hyphen + 1
    : beginning.length;
}

/** Words, and the spaces between them; words part behind a hyphen between letters, and around dashes of two or more. */
function chunksOf(characters: readonly string[], atHyphens: boolean): (readonly string[])[] {
  const chunks: string[][] = [];
  const isLetter = (at: number) => /^[\p{L}_]/u.test(characters[at] ?? '');
  let dashesEnd = -1;
  for (const [i, character] of characters.entries()) {
    const before = characters[i - 1];
    let parts = i === 0 || SPACE.test(character) !== SPACE.test(before);
    if (atHyphens && !parts && !SPACE.test(character)) {
      if (character === '-' && before !== '-' && characters[i + 1] === '-' && /^[\p{L}\p{N}_!"'&.,?]/u.test(before)) {
        let end = i;
        while (characters[end] === '-') end++;
        if (/^[\p{L}\p{N}_]/u.test(characters[end] ?? '')) {
          parts = true;
          dashesEnd = end;
        }
      } else if (i === dashesEnd) parts = true;
      else if (before === '-' && isLetter(i) && (isLetter(i + 1) || (characters[i + 1] === '-' && isLetter(i + 2)))) {
        parts = isLetter(i - 2) && (isLetter(i - 3) || (characters[i - 3] === '-' && isLetter(i - 4)));
      }
    }
    if (parts) chunks.push([]);
    chunks.at(-1)!.push(character);
  }
  return chunks;
}
