// Keeps the page's files for offline use, and isolates the page where its server does not, so that it gets threads.
// The build puts the list of files in place of the name below.
const files = FILES;
const isolation = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};
const cacheName = `onebit ${files.join(' ')}`;

addEventListener('install', (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(cacheName);
      await cache.addAll(['./', ...files.filter((name) => name !== 'index.html')]);
      await skipWaiting();
    })(),
  );
});

addEventListener('activate', (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys())
        if (name.startsWith('onebit ') && name !== cacheName) await caches.delete(name);
      await clients.claim();
    })(),
  );
});

addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  const scope = new URL(registration.scope);
  if (request.method !== 'GET' || url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return;
  if (request.mode === 'navigate') event.respondWith(page(request));
  else if (files.includes(url.pathname.slice(scope.pathname.length))) {
    event.respondWith(kept(request));
  }
});

/** The newest page there is; without a network the kept one. */
async function page(request) {
  let response;
  try {
    response = await fetch(request);
  } catch (error) {
    response = await (await caches.open(cacheName)).match('./');
    if (!response) throw error;
  }
  return isolated(response);
}

/** The response with the headers that isolate a page; an isolated page may start no worker whose file came without them. */
function isolated(response) {
  if (response.status === 0 || response.redirected) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(isolation)) headers.set(name, value);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

/** Files have the hash of their contents in their name: what is kept is right. */
async function kept(request) {
  const cache = await caches.open(cacheName);
  const whole = await cache.match(request.url);
  if (!whole) return isolated(await fetch(request));
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get('range') ?? '');
  if (!range) return isolated(whole);
  const bytes = await whole.blob();
  const start = Number(range[1]);
  const end = Math.min(bytes.size, range[2] ? Number(range[2]) + 1 : bytes.size);
  const headers = new Headers(isolation);
  headers.set('content-range', `bytes ${start}-${end - 1}/${bytes.size}`);
  headers.set('content-length', String(end - start));
  const { etag } = Object.fromEntries(whole.headers);
  if (etag) headers.set('etag', etag);
  return new Response(bytes.slice(start, end), { status: 206, headers });
}
