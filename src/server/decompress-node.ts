// Owns decompression in Node. Its DecompressionStream ends the process when a reader gives up a stream of which more is ready (Node 20: "Controller is
// already closed", thrown where nobody can catch it), and does not know Brotli.
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';

const INFLATERS = {
  gzip: createGunzip,
  deflate: createInflate,
  'deflate-raw': createInflateRaw,
  brotli: createBrotliDecompress,
};

export type Compression = keyof typeof INFLATERS;

/** The bytes of `body` without its compression. No more is inflated than is asked for; giving up gives `body` up. */
export function inflated(body: ReadableStream<Uint8Array>, format: Compression): ReadableStream<Uint8Array> {
  const inflater = INFLATERS[format]({ chunkSize: 1 << 16 });
  inflater.on('error', () => {}); // whoever reads is told
  const reader = body.getReader();
  const feed = async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      await new Promise<void>((resolve, reject) => {
        inflater.write(value, (error) => (error ? reject(error) : resolve()));
      });
    }
    inflater.end();
  };
  feed().catch((error) => inflater.destroy(error));
  const pieces = inflater[Symbol.asyncIterator]();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await pieces.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          void reader.cancel(error).catch(() => {});
          throw error;
        }
      },
      cancel(reason) {
        inflater.destroy();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
