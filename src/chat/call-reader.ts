// Owns reading the one call inside `<tool_call>` while it is written: its name, then its arguments piece by piece, without white space between values.
// Only for calls that a constraint holds to their form: once begun, a call is never taken back.

/** A name, then arguments, as the templates of the models have them. */
const HEAD = /^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)/;

/** Reads one call. */
export class CallReader {
  /** The tool's name, as soon as the arguments begin. */
  name: string | undefined;
  /** What came before that. */
  head = '';
  /** Whether the arguments are complete, and what came behind them. */
  isDone = false;
  rest = '';
  private depth = 0;
  private inString = false;
  private escaped = false;

  /** Takes the next text of the call; gives the arguments in it. */
  push(text: string): string {
    if (this.name !== undefined) return this.read(text);
    this.head += text;
    const match = HEAD.exec(this.head);
    if (!match) return '';
    this.name = JSON.parse(match[1]) as string;
    return this.read(this.head.slice(match[0].length));
  }

  private read(text: string): string {
    let shown = '';
    for (let i = 0; i < text.length; i++) {
      const unit = text[i];
      if (this.inString || !/\s/.test(unit)) shown += unit;
      if (this.escaped) this.escaped = false;
      else if (this.inString) {
        if (unit === '\\') this.escaped = true;
        else if (unit === '"') this.inString = false;
      } else if (unit === '"') this.inString = true;
      else if (unit === '{') this.depth++;
      else if (unit === '}') this.depth--;
      if (this.depth > 0) continue;
      this.isDone = true;
      this.rest = text.slice(i + 1);
      break;
    }
    return shown;
  }
}

/** The value that JSON cut off anywhere had so far: what is open is closed, what is half is left out. `{}` where there is nothing. */
export function completeJson(text: string): unknown {
  for (let end = text.length; end > 0; end--) {
    const closed = closing(text.slice(0, end));
    if (closed === undefined) continue;
    try {
      return JSON.parse(closed);
    } catch {
      // one character less may do
    }
    if (text.length - end > LONGEST_HALF) break;
  }
  return {};
}

/** Characters at the end that may belong to something half: an escape, a word, a name without a value. */
const LONGEST_HALF = 200;

/** `text` with what is open in it closed. */
function closing(text: string): string | undefined {
  const open: string[] = [];
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (inString) {
      if (character === '\\') i++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{') open.push('}');
    else if (character === '[') open.push(']');
    else if (character === '}' || character === ']') open.pop();
  }
  return text + (inString ? '"' : '') + open.reverse().join('');
}
