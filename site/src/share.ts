// Owns models in links: a small model's bytes in the part of an address that no server sees, and the address of a file as `?model=`.
import { LINK_PREFIX } from './asks-for-model.ts';
import type { ModelChoice } from './model-slot.ts';

/** Larger models make links that messengers and some browsers cut. */
export const MOST_LINK_BYTES = 400_000;

/** A link to this page that brings the model with it. */
export async function linkTo(
  model: Uint8Array<ArrayBuffer>,
  about: Pick<ModelChoice, 'label' | 'talks' | 'suggestions'>,
) {
  const head = new TextEncoder().encode(JSON.stringify(about));
  const packed = new Uint8Array(4 + head.length + model.length);
  new DataView(packed.buffer).setUint32(0, head.length, true);
  packed.set(head, 4);
  packed.set(model, 4 + head.length);
  const bytes = await through(new CompressionStream('deflate-raw'), packed);
  const { origin, pathname } = location;
  return `${origin}${pathname}${LINK_PREFIX}${base64Of(bytes)}`;
}

/** The model that the page's address asks for, if it does. @throws Error when the link is damaged */
export async function linkedModel(): Promise<ModelChoice | undefined> {
  const address = new URLSearchParams(location.search).get('model');
  if (address)
    return {
      input: address,
      label: address
        .split('/')
        .at(-1)!
        .replace(/\.gguf$/i, ''),
      keep: false,
    };
  if (!location.hash.startsWith(LINK_PREFIX)) return undefined;
  const text = location.hash.slice(LINK_PREFIX.length);
  history.replaceState(null, '', `${location.pathname}#chat`); // the address bar need not carry it on
  try {
    const packed = await through(new DecompressionStream('deflate-raw'), bytesOf(text));
    const length = new DataView(packed.buffer).getUint32(0, true);
    const about = JSON.parse(new TextDecoder().decode(packed.subarray(4, 4 + length)));
    const { label, talks, suggestions } = about as Record<string, unknown>;
    return {
      input: packed.slice(4 + length),
      fileBytes: packed.length - 4 - length,
      label: typeof label === 'string' ? label.slice(0, 60) : 'from a link',
      talks: typeof talks === 'boolean' ? talks : undefined,
      suggestions: Array.isArray(suggestions)
        ? suggestions.filter((text) => typeof text === 'string').slice(0, 5)
        : undefined,
    };
  } catch {
    throw new Error('The link’s model is damaged: part of the link may be missing. Ask for the file instead.');
  }
}

/** What comes out may be larger than what went in, up to this. */
const MOST_UNPACKED = 8 * MOST_LINK_BYTES;

async function through(
  stream: GenericTransformStream,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = new Blob([bytes])
    .stream()
    .pipeThrough(stream as ReadableWritablePair<Uint8Array, Uint8Array>)
    .getReader();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    size += value.length;
    if (size > MOST_UNPACKED) throw new Error('link: too large');
    parts.push(value as Uint8Array<ArrayBuffer>);
  }
}

function base64Of(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}
