// Owns how commands print: results on standard output, everything else on standard error, and nothing of untrusted files that a terminal would obey.
import { printable, printableJson, printableLines } from '../core/printable.ts';

let results: NodeJS.WriteStream = process.stdout;

/** Standard output carries the bytes of a file from now on: results are printed on standard error. */
export function keepStandardOutputClean(): void {
  results = process.stderr;
}

/** Prints a line of results. */
export function print(text: string): void {
  results.write(`${printableLines(text)}\n`);
}

/** Prints a line for people, beside the results. */
export function note(text: string): void {
  process.stderr.write(`${printableLines(text)}\n`);
}

/** Prints the one JSON document of a command. */
export function printJson(value: unknown): void {
  results.write(`${printableJson(value, 2)}\n`);
}

/** Prints JSON in one line. */
export function printJsonLine(value: unknown): void {
  results.write(`${printableJson(value)}\n`);
}

/** Writes what a model says: into a file or pipe as it is, to a terminal without what that would obey. */
export function printModelText(text: string): void {
  process.stdout.write(process.stdout.isTTY ? text.replace(TERMINAL_CONTROL, printable) : text);
}

/** Directions of text are left: languages need them. */
const TERMINAL_CONTROL = /(?![\n\t])\p{Cc}/gu;

/** Prints an error; lines after the first are set in, so that no text in it looks like a message of its own. */
export function printError(message: string): void {
  process.stderr.write(`error: ${printableLines(message).replace(/\n(?! )/g, '\n  ')}\n`);
}
