// Owns the page at `/`: the built site as files, told that it comes from a server. Must not know where the files lie.

/** The files of the built site, by their path in it; undefined for those that are not there. */
export type SiteFiles = (path: string) => Promise<Uint8Array<ArrayBuffer> | undefined>;

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  webmanifest: 'application/manifest+json',
  gguf: 'application/octet-stream',
  wasm: 'application/wasm',
};
/**
 * The least that the page needs, sent with all its files, because a worker follows the policy of its own file: everything from here, WebAssembly,
 * threads from blobs, models from wherever the user says. See docs/browser.md.
 */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "style-src 'self'",
  "img-src 'self' data:",
  "manifest-src 'self'",
  "connect-src 'self' https: http:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
/** The page has threads only when it is isolated from other origins; its workers must say the same. */
const ISOLATION = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
};

/** Paths of the site that are served besides `/`. */
export const SITE_PATHS = [
  '/assets/:name',
  '/service-worker.js',
  '/manifest.webmanifest',
  '/icon-192.png',
  '/icon-512.png',
  '/preview.png',
  '/owner.js',
  '/owner.css',
  '/widget.js',
  '/support.js',
] as const;
/** What the pages of a shop load from here. */
const ELSEWHERE = /^(widget|support)\.js$/;
/** What shrinks; models and pictures do not. */
const SHRINKS = /\.(html|js|css|svg|wasm|webmanifest)$/;
/** Compressed files, made when first asked for: a page has some thirty. */
const compressed = new WeakMap<SiteFiles, Map<string, Promise<Uint8Array<ArrayBuffer>>>>();

/**
 * The answer to a path of the site; undefined when it has no such file.
 * @param encodings the request's `accept-encoding`: text is sent as gzip to whoever takes it
 */
export async function siteResponse(files: SiteFiles, path: string, encodings = ''): Promise<Response | undefined> {
  const name = path === '/' ? 'index.html' : path.slice(1);
  if (!/^(assets\/)?[\w-][\w.-]*$/.test(name)) return undefined;
  const found = await files(name);
  if (!found) return undefined;
  const isPage = name === 'index.html';
  const headers = {
    ...ISOLATION,
    ...(ELSEWHERE.test(name) ? { 'cross-origin-resource-policy': 'cross-origin' } : {}),
    'content-type': TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream',
    // Names in assets/ hold a hash of the contents.
    'cache-control': name.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    'content-security-policy': PAGE_POLICY,
    'x-content-type-options': 'nosniff',
  };
  const body = isPage ? new TextEncoder().encode(withServer(new TextDecoder().decode(found))) : found;
  if (!SHRINKS.test(name)) return new Response(body, { headers });
  const varying = { ...headers, vary: 'accept-encoding' };
  if (!/\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(encodings)) return new Response(body, { headers: varying });
  const made = compressed.get(files) ?? new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  compressed.set(files, made);
  const small = made.get(name) ?? gzip(body);
  made.set(name, small);
  return new Response(await small, { headers: { ...varying, 'content-encoding': 'gzip' } });
}

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The page, told where the server's routes are. */
function withServer(html: string): string {
  return html.replace('<head>', '<head>\n    <meta name="onebit-server" content="./v1" />');
}
