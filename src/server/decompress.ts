// Owns bodies that come compressed. How large they may become, the reader of the stream says: nothing is inflated that nobody asks for.
import { ApiError } from './api-error.ts';

const FORMATS = { gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate', br: 'brotli' } as const;

type Format = (typeof FORMATS)[keyof typeof FORMATS] | 'deflate-raw';

/** The bytes of `body` without its compression. @throws ApiError 415 */
export async function decompressed(
  body: ReadableStream<Uint8Array>,
  encoding: string,
): Promise<ReadableStream<Uint8Array>> {
  const name = encoding.trim().toLowerCase();
  if (name === '' || name === 'identity') return body;
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name as keyof typeof FORMATS] : undefined;
  const node = await import('./decompress-node.ts').catch(() => undefined);
  if (format && (node || transformOf(format))) {
    const inflate = (bytes: ReadableStream<Uint8Array>, by: Format) =>
      node ? node.inflated(bytes, by) : bytes.pipeThrough(transformOf(by)!);
    return format === 'deflate' ? eitherDeflate(body, inflate) : inflate(body, format);
  }
  const known = Object.keys(FORMATS).join(', ');
  throw new ApiError(415, `The body may be compressed with ${known}, got content-encoding '${name.slice(0, 40)}'.`, {
    code: 'unsupported_media_type',
  });
}

/**
 * `deflate` is zlib's form, but some clients send what is inside of it: the first byte tells. Source: RFC 9110, section 8.4.1.2 (and its note); RFC 1950,
 * section 2.2.
 */
function eitherDeflate(
  body: ReadableStream<Uint8Array>,
  inflate: (bytes: ReadableStream<Uint8Array>, by: Format) => ReadableStream<Uint8Array>,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let inner: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const begin = async () => {
    let next = await reader.read();
    while (!next.done && next.value.length === 0) next = await reader.read();
    const isZlib = next.done || (next.value[0] & 0x0f) === 8;
    const whole = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const { done, value } = next;
          if (done) return controller.close();
          controller.enqueue(value);
          next = await reader.read();
        },
        cancel: (reason) => reader.cancel(reason),
      },
      { highWaterMark: 0 },
    );
    return inflate(whole, isZlib ? 'deflate' : 'deflate-raw').getReader();
  };
  return new ReadableStream(
    {
      async pull(controller) {
        inner ??= await begin();
        const { done, value } = await inner.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => (inner ?? reader).cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function transformOf(format: Format): ReadableWritablePair<Uint8Array, Uint8Array> | undefined {
  try {
    return new DecompressionStream(format as CompressionFormat) as ReadableWritablePair<Uint8Array, Uint8Array>;
  } catch {
    return undefined; // not known to this platform
  }
}
