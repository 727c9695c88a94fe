// Owns the loop of the HTTP fuzzer: hostile requests, several at a time, each of which must get an answer in the API's form, never a crash, never
// another's text. Knows neither how requests are made nor the server's code.
import { connect } from 'node:net';
import { httpCase } from './http-cases.mjs';

/** No answer within this time is a finding. */
const ANSWER_MS = 30_000;
/** What is no whole request is given up after this time without an answer. */
const PATIENCE_MS = 3000;

/**
 * @typedef {object} HttpFinding
 * @property {number} index Case number; with the run's seed it repeats the case.
 * @property {string} kind
 * @property {string} what
 */

/**
 * Runs `cases` hostile requests against the server at `url`.
 * @param {object} options
 * @param {string} options.url
 * @param {Function} options.Random
 * @param {number} options.cases
 * @param {number} options.seed
 * @param {number} [options.first] Number of the first case, to repeat one.
 * @param {number} [options.together] Requests at a time.
 * @param {(done: number) => void} [options.onProgress]
 */
export async function fuzzHttp({ url, Random, cases, seed, first = 0, together = 8, onProgress }) {
  /** @type {HttpFinding[]} */
  const findings = [];
  /** @type {Record<string, number>} */
  const outcomes = {};
  let next = first;
  const worker = async () => {
    while (next < first + cases) {
      const index = next++;
      const one = httpCase(new Random(seed * 1e9 + index), markOf(index));
      const { outcome, finding } = judge(one, await exchange(url, one), index);
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      if (finding) findings.push({ index, kind: one.kind, what: finding });
      if ((index + 1 - first) % 100 === 0) onProgress?.(index + 1 - first);
    }
  };
  await Promise.all(Array.from({ length: together }, worker));
  return { cases, seed, findings, outcomes };
}

/** Sends a case, gives all that came back. */
function exchange(url, { pieces, expect }) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const received = [];
    let ended = 'closed';
    const socket = connect(Number(port), hostname);
    const limit = setTimeout(() => end('silent'), ANSWER_MS);
    let patience;
    const end = (how) => {
      ended = how;
      socket.destroy();
    };
    socket.on('connect', () => {
      if (expect === 'stall') socket.pause();
      void write(socket, pieces);
      if (expect === 'leave') patience = setTimeout(() => end('left'), 20);
      if (expect === 'stall') patience = setTimeout(() => socket.resume(), 100);
      if (expect === 'any') patience = setTimeout(() => received.length === 0 && end('left'), PATIENCE_MS);
    });
    socket.on('data', (chunk) => {
      received.push(chunk);
      if (expect === 'any' && isWhole(Buffer.concat(received))) end('closed'); // a head may have asked to keep the connection
    });
    socket.on('error', () => {}); // what follows is `close`
    socket.on('close', () => {
      clearTimeout(limit);
      clearTimeout(patience);
      const answer = Buffer.concat(received).toString('utf8');
      resolve({ ended, answer: answer.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '') });
    });
  });
}

/** Writes pieces and keeps pauses. */
async function write(socket, pieces) {
  for (const piece of pieces) {
    if (typeof piece === 'number') await new Promise((resolve) => setTimeout(resolve, piece));
    else if (socket.writable) socket.write(piece);
  }
}

function isWhole(bytes) {
  const text = bytes.toString('latin1');
  if (/\r\ntransfer-encoding: chunked\r\n/i.test(text) && text.endsWith('\r\n0\r\n\r\n')) return true;
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(text)?.[1];
  const body = text.indexOf('\r\n\r\n') + 4;
  return length !== undefined && body > 3 && text.length >= body + Number(length);
}

/** Text that only case `index` sends. Its second half repeats the first in other digits: a mark that was damaged on its way out is nobody's. */
export function markOf(index) {
  return `mark${index}x${(index * 7919 + 13).toString(36)}m`;
}

/** The number of another case whose mark is in `answer`, if any. */
function strangerIn(answer, index) {
  const marks = Array.from(answer.matchAll(/mark(\d+)x[0-9a-z]+m/g));
  const found = marks.find(([mark, number]) => Number(number) !== index && mark === markOf(Number(number)));
  return found && Number(found[1]);
}

/** What to make of an answer. */
function judge({ kind, expect, pieces }, { ended, answer }, index) {
  if (ended === 'silent') return { outcome: `${kind}: silent`, finding: 'no answer' };
  if (answer === '') {
    const finding = expect === 'answer' ? 'the connection was closed without an answer' : undefined;
    return { outcome: `${kind}: nothing`, finding };
  }
  const stranger = strangerIn(answer, index);
  if (stranger !== undefined) return { outcome: `${kind}: leak`, finding: `text of case ${stranger}` };
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
  const outcome = `${kind}: ${status}`;
  if (!(status >= 200)) return { outcome, finding: `no status: ${answer.slice(0, 80)}` };
  if (status === 500) return { outcome, finding: `internal error: ${answer.slice(-200)}` };
  if (status < 400 || ended === 'left') return { outcome };
  const { body, behind, isLast } = firstOf(answer);
  if (isLast && behind !== '') return { outcome, finding: `bytes behind the last answer: ${behind.slice(0, 100)}` };
  return { outcome, finding: body === '' ? undefined : formOf(body, / \/api\//.test(pieces[0].toString('latin1'))) };
}

/** The first answer's body, what is behind it (an answer to bytes that were too many for one request), and whether nothing may be. */
function firstOf(answer) {
  const start = answer.indexOf('\r\n\r\n') + 4;
  const head = answer.slice(0, start);
  const rest = Buffer.from(answer.slice(start));
  const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1] ?? rest.length);
  const isLast = /\r\nconnection: close\r\n/i.test(head);
  return { body: rest.subarray(0, length).toString(), behind: rest.subarray(length).toString(), isLast };
}

/** What is wrong with the form of an error, if anything; an answer to HEAD has none, Ollama's clients read texts. */
function formOf(body, isOllama) {
  try {
    const { error } = JSON.parse(body);
    if (isOllama && typeof error === 'string') return undefined;
    const fields = Object.keys(error).sort().join();
    if (fields === 'code,message,param,type' && typeof error.message === 'string') return undefined;
  } catch {
    // said below
  }
  return `not an error of the API: ${body.slice(0, 200)}`;
}
