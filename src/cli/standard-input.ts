// Owns reading all of standard input as text.
import { OnebitError } from '../errors.ts';

/** More than any prompt or text to score that fits in memory comfortably. */
const MOST_BYTES = 256 << 20;

/** All of standard input. @throws OnebitError `bad-argument` beyond 256 MB */
export async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) {
      throw new OnebitError('bad-argument', `input: standard input must have at most ${MOST_BYTES} bytes.`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
