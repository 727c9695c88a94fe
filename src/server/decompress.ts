// Owns bodies that come compressed. How large they may become, the reader of the stream says: nothing is inflated that nobody asks for.
import { ApiError } from './api-error.ts';

const FORMATS = { gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate', br: 'brotli' } as const;

/** The bytes of `body` without its compression. @throws ApiError 415 */
export async function decompressed(
  body: ReadableStream<Uint8Array>,
  encoding: string,
): Promise<ReadableStream<Uint8Array>> {
  const name = encoding.trim().toLowerCase();
  if (name === '' || name === 'identity') return body;
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name as keyof typeof FORMATS] : undefined;
  const node = await import('./decompress-node.ts').catch(() => undefined);
  if (format && node) return node.inflated(body, format);
  const transform = format && transformOf(format);
  if (transform) return body.pipeThrough(transform);
  const known = Object.keys(FORMATS).join(', ');
  throw new ApiError(415, `The body may be compressed with ${known}, got content-encoding '${name.slice(0, 40)}'.`, {
    code: 'unsupported_media_type',
  });
}

function transformOf(format: string): ReadableWritablePair<Uint8Array, Uint8Array> | undefined {
  try {
    return new DecompressionStream(format as CompressionFormat) as ReadableWritablePair<Uint8Array, Uint8Array>;
  } catch {
    return undefined; // not known to this platform
  }
}
