// Owns `onebit verify`: whether a model, a file or an answer is what was signed. 0: signed; 1: changed, badly signed, or by another key; 3: unsigned.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Command } from 'commander';
import { fileError, fileSource, systemCode } from '../bytes/file-source.ts';
import { decodeText } from '../core/decode-text.ts';
import {
  hasSignature,
  PROVENANCE_HEADER,
  type Verification,
  verifyAnswer,
  verifyBytes,
  verifyModel,
} from '../provenance/index.ts';
import { type CommandContext, collect } from './context.ts';
import { print, printJson } from './print.ts';
import { readInput, readInputText } from './read-input.ts';
import { isGguf } from './sign.ts';

interface VerifyFlags {
  key?: string[];
  provenance?: string;
  signature?: string;
  answer?: boolean;
  audit?: boolean;
  head?: string;
  json?: boolean;
}

const EXIT_WRONG = 1;
const EXIT_UNSIGNED = 3;
const HELP = `
Examples:
  onebit verify model.gguf --key ed25519:...
  onebit verify CARD.md                               (reads CARD.md.intoto.json)
  curl -D headers.txt -o answer.json http://127.0.0.1:8080/v1/... ; onebit verify answer.json --provenance @headers.txt
  curl -N -o answer.txt ... "stream": true ...        ; onebit verify answer.txt --answer

Ends with 0 where it is signed, 1 where it was changed, the signature is bad or by another key, 3 where there is none.
Without --key any key will do: then it only says that nothing was changed since that key signed it.`;

/** The command `verify`. */
export function verifyCommand({ signal }: CommandContext): Command {
  return new Command('verify')
    .description('whether a model, a card, a file or an answer of a server is as it was signed')
    .argument('<file>', 'a signed model, a file with its signature beside it, or the body of an answer')
    .option('--key <id>', 'who is trusted: ed25519:..., as onebit sign printed it (may be repeated)', collect)
    .option('--signature <file>', 'the signature of a file (default: FILE.intoto.json)')
    .option('--provenance <value>', `of an answer: its header ${PROVENANCE_HEADER}, or @FILE with the headers`)
    .option('--answer', 'the file is a stream of events, which ends with its signature')
    .option('--audit', 'the file is the audit log of a server: whether a line was changed, put in or taken out')
    .option('--head <hash>', 'with --audit: the hash of a line, which must still be there')
    .option('--json', 'print one JSON document: state, reason, keyId, isTrusted, sha256, statement')
    .addHelpText('after', HELP)
    .action(async (file: string, flags: VerifyFlags) => {
      if (flags.audit) return verifyAudit(file, flags, signal);
      const verification = await verify(file, flags, signal);
      if (flags.json) printJson(verification);
      else printVerification(file, verification);
      if (verification.state !== 'signed') {
        process.exitCode = verification.state === 'unsigned' ? EXIT_UNSIGNED : EXIT_WRONG;
      }
    });
}

async function verify(file: string, flags: VerifyFlags, signal: AbortSignal): Promise<Verification> {
  const { key: keys = [] } = flags;
  if (flags.answer) return verifyAnswer(await readInput(file, 'verify', signal), undefined, keys);
  if (flags.provenance !== undefined) {
    const header = await headerOf(flags.provenance, signal);
    const body = await readInput(file, 'verify', signal);
    return header === undefined ? verifyBytes(body, undefined, keys) : verifyAnswer(body, header, keys);
  }
  if (flags.signature === undefined && file !== '-') {
    const source = await fileSource(file);
    try {
      // A signed model stays one where its first bytes were changed.
      if ((await isGguf(source)) || (await hasSignature(source))) return await verifyModel(source, keys, signal);
    } finally {
      await source.close();
    }
  }
  const bytes = await readInput(file, 'verify', signal);
  const signature =
    flags.signature === undefined ? await besides(file, signal) : await signatureText(flags.signature, signal);
  return verifyBytes(bytes, signature?.trim(), keys);
}

async function verifyAudit(file: string, { head, json }: VerifyFlags, signal: AbortSignal): Promise<void> {
  const { checkAuditLog } = await import('../server/audit.ts');
  const end = head === undefined ? undefined : `,"hash":"${head.toLowerCase()}"}`;
  let hasHead = end === undefined;
  const lines = async function* () {
    for await (const line of linesOf(file, signal)) {
      if (end !== undefined && line.endsWith(end)) hasHead = true;
      yield line;
    }
  };
  const check = await checkAuditLog(lines());
  if (json) printJson({ ...check, ...(head === undefined ? {} : { hasHead }) });
  else {
    print(`${file}: ${check.isWhole ? 'whole' : 'changed'}, ${check.lines} lines; the last one is ${check.head}`);
    for (const { line, problem } of check.problems.slice(0, 20)) print(`  line ${line}: ${problem}`);
    if (!hasHead) print('  the line of --head is not there: lines were cut off');
  }
  if (!check.isWhole || !hasHead) process.exitCode = EXIT_WRONG;
}

/** The lines of a log of any size. A byte that is no UTF-8 is one that was changed: it is for the hash to find. */
async function* linesOf(file: string, signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let rest = '';
  try {
    for await (const bytes of file === '-' ? process.stdin : createReadStream(file, { signal })) {
      const [first, ...more] = decoder.decode(bytes, { stream: true }).split('\n');
      rest += first;
      for (const line of more) {
        yield rest;
        rest = line;
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    throw fileError('verify', file, error);
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}

/** The signature beside a file, where there is one. */
async function besides(file: string, signal: AbortSignal): Promise<string | undefined> {
  const path = `${file}.intoto.json`;
  const isThere = await stat(path).then(
    () => true,
    (error) => {
      if (systemCode(error) === 'ENOENT') return false;
      throw fileError('read signature', path, error);
    },
  );
  return isThere ? signatureText(path, signal) : undefined;
}

/** A signature as editors and shells save it; what is no text is damaged: it is for the check of it to say so. */
async function signatureText(path: string, signal: AbortSignal): Promise<string> {
  const bytes = await readInput(path, 'read signature', signal);
  try {
    return decodeText(bytes, 'read signature');
  } catch {
    return '';
  }
}

/** The value of the header; out of a file, which may hold it alone or all headers. */
async function headerOf(given: string, signal: AbortSignal): Promise<string | undefined> {
  if (!given.startsWith('@')) return given;
  const text = await readInputText(given.slice(1), 'read headers', signal);
  const found = new RegExp(`^${PROVENANCE_HEADER}:[ \\t]*(\\S+)`, 'im').exec(text)?.[1];
  return found ?? (/^[\w-]+$/.test(text.trim()) ? text.trim() : undefined);
}

function printVerification(file: string, { state, reason, keyId, isTrusted, statement }: Verification): void {
  print(`${file}: ${state}. ${reason}`);
  if (keyId === undefined) return;
  const trust = isTrusted === undefined ? '; --key would say whether that is whom you trust' : '';
  print(`  key: ${keyId}${trust}`);
  if (statement) print(`  says: ${JSON.stringify({ ...statement.subject[0], ...statement.predicate })}`);
}
