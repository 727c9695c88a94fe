// Owns the parts of a message: its sentences, without greetings, thanks, signatures and quoted messages. Each part keeps its place in the message. Must not know
// models.
import { checkArgument } from '../../core/check.ts';
import { BARE_GREETING, CLOSING, GREETING, QUOTED, SIGNATURE, THANKING } from './courtesies.ts';

/** A part of a message, and where it stands in it (UTF-16 code units). */
export interface MessagePart {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Longer messages are read up to here. */
const MAX_CHARACTERS = 20_000;
const MOST_PARTS = 200;
/** Lines shorter than this end where they end: the text was not wrapped at the edge of a window. */
const WRAPPED = 50;
const MOST_NAME_LINES = 8;
/** Where one sentence asks for a second thing. */
const ALSO =
  /;\s+|,?\s+(?:and (?:also|additionally|besides|another thing|secondly)|also,|und (?:außerdem|auch|zusätzlich)|et (?:aussi|également|en plus)|y (?:también|además)|e (?:também|anche|inoltre)|en (?:ook|daarnaast)|oraz|och (?:också|dessutom))\s+/giu;
/** What ends with a dot but no sentence: "Nr. 4711", "z. B. Rosen", and "5." before a month. */
const ABBREVIATED =
  /(?:^|[\s(])(?:no|nr|nos|num|núm|n|art|tel|mr|mrs|ms|dr|prof|st|str|bzw|ca|approx|inkl|incl|excl|zzgl|ggf|evtl|sr|sra|mme|mlle|[zuds]\.\s?[bahu]|p\.\s?ex)\.\s*$/iu;
const [LETTER, LETTER_FIRST] = [/(?:^|\s)\p{L}\.\s*$/u, /^\p{L}\.\s/u];
const DAY = /(?:^|\s)\d{1,2}\.\s*$/u;
const MONTH =
  /^(?:jan|feb|mär|mar|apr|mai|maj|jun|jul|aug|sep|okt|oct|nov|dez|dec|sty|lut|kwi|cze|lip|sie|wrz|paź|lis|gru)\p{L}*/iu;
const LIST_ITEM = /^\s*(?:[-*•–]|\d{1,2}[.)])\s+/u;

/** The sentences of the matter, in their order. Where nothing is left beside courtesies, the whole message is one. */
export function sentencesOf(message: string): MessagePart[] {
  checkArgument('sentencesOf', 'message', message, 'text');
  const text = message.slice(0, MAX_CHARACTERS);
  const parts: MessagePart[] = [];
  for (const part of partsOf(text)) {
    if (/[\p{L}\p{N}]/u.test(part.text) && !THANKING.test(part.text) && !CLOSING.test(part.text)) parts.push(part);
    if (parts.length === MOST_PARTS) break;
  }
  return parts.length > 0 ? parts : [trimmed(text, 0, text.length)].filter((part) => part.text !== '');
}

/** The sentences, courtesies among them; only as many are made as are asked for. */
function* partsOf(text: string): Generator<MessagePart> {
  for (const run of linesOf(text))
    for (const sentence of split(run, text))
      for (const part of alsoParts(sentence, text)) yield withoutGreeting(part, text);
}

/** Runs of lines that belong together, up to the signature or the quoted message. */
function linesOf(text: string): MessagePart[] {
  const runs: MessagePart[] = [];
  let [start, end] = [-1, -1];
  const close = () => {
    if (start >= 0) runs.push(trimmed(text, start, end));
    start = -1;
  };
  let at = 0;
  let said = false;
  for (const line of text.split('\n')) {
    const from = at;
    at += line.length + 1;
    const bare = line.replace(/\r$/, '');
    if (SIGNATURE.test(bare) || QUOTED.test(bare) || (said && CLOSING.test(bare))) break;
    if (said && THANKING.test(bare) && isName(text, at)) break;
    if (bare.trim() === '' || bare.startsWith('>') || (start >= 0 && !goesOn(text.slice(start, end), bare))) close();
    if (bare.trim() === '' || bare.startsWith('>')) continue;
    if (start < 0) start = from;
    end = from + bare.length;
    said ||= !GREETING.test(bare.trim());
  }
  close();
  return runs.filter((run) => run.text !== '');
}

/** Whether a line goes on with the sentence of the lines before it, which a mail program has cut. */
function goesOn(before: string, line: string): boolean {
  const last = before.slice(before.lastIndexOf('\n') + 1);
  if (LIST_ITEM.test(line) || /[.!?:]["')]*\s*$/u.test(last)) return false;
  return last.length >= WRAPPED || /^\s*\p{Ll}/u.test(line);
}

/** Whether what follows a line of thanks says who thanks: some short lines that ask nothing, up to a quoted message. */
function isName(text: string, from: number): boolean {
  let count = 0;
  for (let at = from; at < text.length; ) {
    const end = text.indexOf('\n', at) < 0 ? text.length : text.indexOf('\n', at);
    const line = text.slice(at, end);
    at = end + 1;
    if (line.trim() === '' || line.startsWith('>')) continue;
    if (++count > MOST_NAME_LINES || line.length > WRAPPED || /[?]|[.!]\s*$/u.test(line)) return false;
    if (QUOTED.test(line.trim())) break;
  }
  return true;
}

/** Making one takes longer than most sentences. */
const SENTENCES = new Intl.Segmenter(undefined, { granularity: 'sentence' });
/** Where the end of a sentence is looked at for abbreviations. */
const END_CHARACTERS = 40;

/** Sentences by Unicode's rules, but not cut behind abbreviations; a line's end within is a space. */
function split(part: MessagePart, text: string): MessagePart[] {
  const plain = part.text.replace(/[\r\n]/g, ' ');
  const sentences: { segment: string; index: number }[] = [];
  for (const { segment, index } of SENTENCES.segment(plain)) {
    const last = sentences.at(-1);
    const end = last?.segment.slice(-END_CHARACTERS) ?? '';
    const goesOn =
      ABBREVIATED.test(end) ||
      (DAY.test(end) && MONTH.test(segment)) ||
      (LETTER.test(end) && LETTER_FIRST.test(segment));
    if (last && goesOn) last.segment += segment;
    else sentences.push({ segment, index });
  }
  return sentences.map(({ segment, index }) => {
    const marks = LIST_ITEM.exec(segment)?.[0].length ?? 0;
    return trimmed(text, part.start + index + marks, part.start + index + segment.length);
  });
}

/** The two sides of an "and also", where both are long enough to say something. */
function alsoParts(part: MessagePart, text: string): MessagePart[] {
  const sides: MessagePart[] = [];
  let from = 0;
  for (const { index, 0: words } of part.text.matchAll(ALSO)) {
    if (wordCount(part.text.slice(from, index)) < 3 || wordCount(part.text.slice(index + words.length)) < 3) continue;
    sides.push(trimmed(text, part.start + from, part.start + index));
    from = index + words.length;
  }
  return [...sides, trimmed(text, part.start + from, part.end)];
}

function withoutGreeting(part: MessagePart, text: string): MessagePart {
  const greeting = GREETING.exec(part.text) ?? BARE_GREETING.exec(part.text);
  return greeting ? trimmed(text, part.start + greeting[0].length, part.end) : part;
}

function trimmed(text: string, start: number, end: number): MessagePart {
  const slice = text.slice(start, end);
  const from = start + slice.length - slice.trimStart().length;
  const to = Math.max(from, end - (slice.length - slice.trimEnd().length));
  return { text: text.slice(from, to), start: from, end: to };
}

function wordCount(text: string): number {
  return text.match(/[\p{L}\p{N}]+/gu)?.length ?? 0;
}
