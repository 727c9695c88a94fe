// Owns what a training text is: documents from bytes, and which of them are held out. Must not know files, tokens or models.
import { checkArgument, checkOptions } from '../core/check.ts';
import { decodeText } from '../core/decode-text.ts';
import { parseChatLines } from './corpus-chat.ts';
import { documentKey, hashText, learntCharacters, type TrainingDocument } from './corpus-document.ts';

/** How bytes become documents. */
export interface ParseOptions {
  /** `documents` (default): separated by blank lines. `whole`: all of it is one. `chat`: one JSON object a line. */
  readonly format?: 'documents' | 'whole' | 'chat';
  /** Put U+FFFD where bytes are not UTF-8, instead of refusing them. */
  readonly replaceInvalid?: boolean;
}

export interface ParsedCorpus {
  readonly documents: TrainingDocument[];
  /** Places where bytes were not UTF-8 and were replaced. */
  readonly replaced: number;
}

/**
 * Documents of a corpus file: UTF-8, or UTF-16 with a mark. Marks are dropped, line ends become \n.
 * @param name of the file, for error messages
 * @throws OnebitError `bad-file` for bytes that are no such text (naming the first) or lines that are no conversations
 */
export function parseCorpus(name: string, bytes: Uint8Array, options: ParseOptions = {}): ParsedCorpus {
  checkArgument('parseCorpus', 'name', name, 'text');
  checkArgument('parseCorpus', 'bytes', bytes, 'bytes');
  checkOptions('parseCorpus', options, { format: ['documents', 'whole', 'chat'], replaceInvalid: 'boolean' });
  const { text, replaced } = decode(name, bytes, options.replaceInvalid ?? false);
  const lines = text.replace(/\r\n?/g, '\n');
  if (options.format === 'chat') return { documents: parseChatLines(name, lines), replaced };
  const parts = options.format === 'whole' ? [lines] : lines.split(/\n[ \t]*\n/);
  const documents = parts
    .map((part) => part.replace(/^\n+|\n+$/g, ''))
    .filter((part) => part.trim() !== '')
    .map((part) => ({ text: part }));
  return { documents, replaced };
}

const REPAIR = 'Repair the file, save it as UTF-8, or replace such bytes (--replace-invalid)';

function decode(name: string, bytes: Uint8Array, replaceInvalid: boolean): { text: string; replaced: number } {
  const what = `read corpus: ${name}`;
  if (!replaceInvalid) return { text: decodeText(bytes, what, REPAIR), replaced: 0 };
  try {
    return { text: decodeText(bytes, what), replaced: 0 };
  } catch (error) {
    if (bytes.subarray(0, 4096).includes(0)) throw error; // no text, however bytes are replaced
  }
  const text = new TextDecoder().decode(bytes);
  return { text, replaced: countOf(text, '\ufffd') - countReplacements(bytes) };
}

function countOf(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + 1)) count++;
  return count;
}

/** U+FFFD that the file itself spells. */
function countReplacements(bytes: Uint8Array): number {
  let count = 0;
  for (let i = bytes.indexOf(0xef); i >= 0; i = bytes.indexOf(0xef, i + 1)) {
    if (bytes[i + 1] === 0xbf && bytes[i + 2] === 0xbd) count++;
  }
  return count;
}

/** Documents to learn from and documents to measure with; `validation` in random order, so that its beginning is a fair sample. */
export interface CorpusSplit {
  readonly training: TrainingDocument[];
  readonly validation: TrainingDocument[];
}

/** Share of the corpus that is held out, and the most characters. */
const HELD_OUT_SHARE = 0.02;
const HELD_OUT_CHARACTERS = 200_000;
/** Fewer characters say nothing about a model: the figure would be that of a few lucky or unlucky lines. */
export const LEAST_HELD_OUT = 2000;
/** More than this share is not taken from what there is to learn, also where that is little. */
const MOST_HELD_OUT_SHARE = 0.05;

/**
 * Holds out the documents whose hash is lowest: always the same for a seed, wherever they stand, and all copies of a text together. Of a single
 * document the end is held out. Corpora too small to spare LEAST_HELD_OUT characters are all learnt from.
 */
export function splitCorpus(documents: readonly TrainingDocument[], seed: number): CorpusSplit {
  const order = byHash(documents, seed);
  const total = order.reduce((sum, { length }) => sum + length, 0);
  if (total * MOST_HELD_OUT_SHARE < LEAST_HELD_OUT) return { training: [...documents], validation: [] };
  if (documents.length === 1) return splitOne(documents[0]);
  const wanted = Math.min(Math.max(total * HELD_OUT_SHARE, LEAST_HELD_OUT), HELD_OUT_CHARACTERS);
  const held = new Set<number>();
  const validation: TrainingDocument[] = [];
  let characters = 0;
  for (const [at, { document, index, length, hash }] of order.entries()) {
    if (characters >= wanted && order[at - 1]?.hash !== hash) break;
    held.add(index);
    validation.push(document);
    characters += length;
  }
  // Documents alike, or a few long ones: too little would be left to learn from.
  if (characters > total / 2) return { training: [...documents], validation: [] };
  return { training: documents.filter((_, index) => !held.has(index)), validation };
}

/** Documents in an order that is random but always the same for a seed, so that the leading ones are a fair sample. */
export function shuffleDocuments(documents: readonly TrainingDocument[], seed: number): TrainingDocument[] {
  return byHash(documents, seed).map(({ document }) => document);
}

function byHash(documents: readonly TrainingDocument[], seed: number) {
  const keyed = documents.map((document, index) => {
    const key = documentKey(document);
    return { document, index, length: learntCharacters(document), hash: hashText(key, seed) };
  });
  return keyed.sort((a, b) => a.hash - b.hash || a.index - b.index);
}

function splitOne(document: TrainingDocument): CorpusSplit {
  if (!('text' in document)) return { training: [document], validation: [] };
  const { text } = document;
  const wanted = text.length - Math.min(HELD_OUT_CHARACTERS, Math.floor(text.length * MOST_HELD_OUT_SHARE));
  const line = text.lastIndexOf('\n', wanted);
  const space = text.lastIndexOf(' ', wanted);
  const cut = line > text.length / 2 ? line : space > text.length / 2 ? space : wanted;
  return { training: [{ text: text.slice(0, cut) }], validation: [{ text: text.slice(cut).trimStart() }] };
}
