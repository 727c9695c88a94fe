import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { proxyFetch } from './proxy.ts';

let origin: Server;
let proxy: Server;
let asked: string[] = [];
const portOf = (server: Server) => (server.address() as AddressInfo).port;

beforeAll(async () => {
  origin = createServer((_, response) => response.end('model'));
  proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    response.end('by proxy');
  });
  proxy.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    const onwards = connect(portOf(origin), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onwards.pipe(socket).pipe(onwards);
    });
  });
  for (const server of [origin, proxy]) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});
afterAll(() => {
  for (const server of [origin, proxy]) {
    server.closeAllConnections();
    server.close();
  }
});
beforeEach(() => {
  asked = [];
});

const ask = async (env: Record<string, string>, url = `http://127.0.0.1:${portOf(origin)}/m.gguf`) =>
  (await (await proxyFetch(env))!(url)).text();

test('no proxy is named: nothing is loaded', async () => {
  expect(await proxyFetch({})).toBeUndefined();
  expect(await proxyFetch({ http_proxy: '', HTTPS_PROXY: ' ' })).toBeUndefined();
});

test.each(['http_proxy', 'HTTP_PROXY'])('%s is asked, with and without a scheme, with its password', async (name) => {
  const url = `http://127.0.0.1:${portOf(origin)}/m.gguf`;
  expect(await ask({ [name]: `127.0.0.1:${portOf(proxy)}` })).toBe('by proxy');
  expect(await ask({ [name]: `http://me:secret@127.0.0.1:${portOf(proxy)}/` })).toBe('by proxy');
  expect(asked).toEqual([`GET ${url}`, `GET ${url} Basic ${btoa('me:secret')}`]);
});

test.each([
  ['127.0.0.1', true],
  ['other.test, 127.0.0.1', true],
  ['*', true],
  ['127.0.0.1:1', false],
  ['0.0.1', true],
  ['.example.com', false],
])('NO_PROXY=%s', async (NO_PROXY, isDirect) => {
  expect(await ask({ HTTP_PROXY: `127.0.0.1:${portOf(proxy)}`, NO_PROXY })).toBe(isDirect ? 'model' : 'by proxy');
});

test('https goes through a tunnel', async () => {
  // What answers there speaks no TLS, so that the request fails; the proxy was asked for the tunnel.
  await expect(ask({ HTTPS_PROXY: `127.0.0.1:${portOf(proxy)}` }, 'https://models.test/m.gguf')).rejects.toThrow();
  expect(asked).toEqual(['CONNECT models.test:443']);
});

test('a proxy that closes the connection instead of making a tunnel is asked once, and named', async () => {
  let connects = 0;
  const closing = createServer().on('connect', (_request, socket) => {
    connects++;
    socket.destroy();
  });
  await new Promise<void>((done) => closing.listen(0, '127.0.0.1', done));
  const fetch = await proxyFetch({ HTTPS_PROXY: `127.0.0.1:${portOf(closing)}` });
  await expect(fetch!('https://models.test/m.gguf', { signal: AbortSignal.timeout(3000) })).rejects.toMatchObject({
    cause: { message: expect.stringMatching(/closed the connection; the environment names the proxy/) },
  });
  expect(connects).toBe(1);
  closing.close();
});

test('a proxy that is no http URL is refused without its password; one that does not answer is named', async () => {
  await expect(proxyFetch({ HTTPS_PROXY: 'socks5://me:secret@127.0.0.1:1' })).rejects.toThrow(
    /^(?!.*secret).*HTTPS_PROXY must be an http or https URL/,
  );
  await expect(ask({ HTTP_PROXY: '127.0.0.1:9' })).rejects.toMatchObject({
    cause: { message: expect.stringContaining('the environment names the proxy 127.0.0.1:9'), code: 'ECONNREFUSED' },
  });
});
