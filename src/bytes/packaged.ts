// Owns where the files lie that the package brings. Must not know what is in them.

/**
 * The URL of a packaged file. `find` is to hold `new URL('…', import.meta.url)`, which bundlers look for. A bundle in CommonJS does not know where it
 * lies: there the result names no file, and `fileSource` looks where the package is installed.
 */
export function packaged(find: () => URL, name: string): URL {
  try {
    const url = find();
    // Next gives the path that pages ask, on the server too, where it names no file.
    if (url.href.startsWith('/')) return new URL(url.href, globalThis.location?.origin ?? 'file:///C:/');
    // Vite, while it serves a page for development, keeps the code elsewhere than the files.
    const moved = url.pathname.includes('/node_modules/.vite/');
    return moved
      ? new URL(url.href.replace(/\/node_modules\/\.vite\/.*$/, `/node_modules/onebit/models/${name}`))
      : url;
  } catch {
    return new URL(`file:///C:/onebit/${name}`);
  }
}
