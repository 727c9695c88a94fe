// A hub for tests, on two local ports: the API with redirects on one, the files (as a content network serves them) on the other, so that they are
// different origins as in life. Every way of misbehaving that a test needs is a field. Source of the shapes: the Hugging Face hub's API.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HubModel {
  bytes: Uint8Array;
  /** What the list claims, where that differs from the truth. */
  listedSha256?: string;
  listedSize?: number;
}

export class HubServer {
  /** By `owner/repo`, then by path. */
  readonly repos = new Map<string, Map<string, HubModel>>();
  /** Requests for files as they came in. */
  readonly fileRequests: IncomingMessage[] = [];
  readonly apiRequests: IncomingMessage[] = [];
  token: string | undefined;
  apiStatuses: number[] = [];
  pageSize = 1000;
  /** Taken one by one by the next requests for files. */
  fileStatuses: { status: number; headers?: Record<string, string> }[] = [];
  /** Taken one by one: break the connection after so many bytes of the body. */
  cuts: number[] = [];
  /** Taken one by one: fall silent after so many bytes of the body, with the connection open. */
  stalls: number[] = [];
  ranges = true;
  fileHeaders: Record<string, string> = {};
  etags = true;
  /** Whether If-Range is honoured. */
  conditions = true;
  /** Body goes out in pieces of 16 kB with this pause between; 0 sends it whole. */
  pauseMs = 0;
  /** Part of the redirect's target; files are refused with another one, as with an expired signature. */
  signature = 'one';
  readonly #api = createServer((request, response) => this.#answerApi(request, response));
  readonly #files = createServer((request, response) => this.#answerFile(request, response));
  /** Base URL of the hub; stays what it was after `stop`. */
  url = '';
  filesUrl = '';

  static async start(): Promise<HubServer> {
    const hub = new HubServer();
    for (const server of [hub.#api, hub.#files]) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    hub.url = urlOf(hub.#api);
    hub.filesUrl = urlOf(hub.#files);
    return hub;
  }

  /** A direct URL of a file, without a redirect. */
  fileUrl(repo: string, path: string): string {
    return `${this.filesUrl}/${repo}/${path}?signature=${this.signature}`;
  }

  add(repo: string, path: string, bytes: Uint8Array, claims: Omit<HubModel, 'bytes'> = {}): void {
    if (!this.repos.has(repo)) this.repos.set(repo, new Map());
    this.repos.get(repo)?.set(path, { bytes, ...claims });
  }

  async stop(): Promise<void> {
    for (const server of [this.#api, this.#files]) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  }

  #answerApi(request: IncomingMessage, response: ServerResponse): void {
    this.apiRequests.push(request);
    const status = this.apiStatuses.shift();
    if (status !== undefined) return void response.writeHead(status).end('{"error":"as told"}');
    if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`) {
      return void response.writeHead(request.headers.authorization ? 403 : 401).end('{"error":"denied"}');
    }
    const url = new URL(request.url ?? '', this.url);
    const tree = /^\/api\/models\/([^/]+\/[^/]+)\/tree\/main$/.exec(url.pathname);
    if (tree) {
      this.#answerTree(tree[1], url, response);
      return;
    }
    const file = /^\/([^/]+\/[^/]+)\/resolve\/main\/(.+)$/.exec(url.pathname);
    if (!file || !this.repos.get(file[1])?.has(file[2])) return void response.writeHead(404).end();
    response.writeHead(302, { location: this.fileUrl(file[1], file[2]) }).end();
  }

  #answerTree(repo: string, url: URL, response: ServerResponse): void {
    const files = this.repos.get(repo);
    if (!files) return void response.writeHead(404).end();
    const from = Number(url.searchParams.get('cursor') ?? 0);
    const page = [...files].slice(from, from + this.pageSize).map(([path, model]) => {
      const size = model.listedSize ?? model.bytes.length;
      const sha256 = model.listedSha256 ?? sha256Of(model.bytes);
      return { type: 'file', oid: '0'.repeat(40), size, path, lfs: { oid: sha256, size, pointerSize: 134 } };
    });
    const next = from + this.pageSize < files.size ? `${url.origin}${url.pathname}?cursor=${from + this.pageSize}` : '';
    const headers = { 'content-type': 'application/json', ...(next && { link: `<${next}>; rel="next"` }) };
    response.writeHead(200, headers).end(JSON.stringify([{ type: 'directory', path: 'docs', size: 0 }, ...page]));
  }

  #answerFile(request: IncomingMessage, response: ServerResponse): void {
    this.fileRequests.push(request);
    const url = new URL(request.url ?? '', this.filesUrl);
    const told = this.fileStatuses.shift();
    if (told) return void response.writeHead(told.status, told.headers).end();
    if (url.searchParams.get('signature') !== this.signature) return void response.writeHead(403).end('expired');
    const [, owner, repo, ...rest] = url.pathname.split('/');
    const bytes = this.repos.get(`${owner}/${repo}`)?.get(rest.join('/'))?.bytes;
    if (!bytes) return void response.writeHead(404).end();
    const etag = `"${sha256Of(bytes).slice(0, 16)}"`;
    const headers: Record<string, string | number> = { ...(this.etags && { etag }), ...this.fileHeaders };
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const ifRange = request.headers['if-range'];
    if (!this.ranges || !range || (this.conditions && ifRange !== undefined && ifRange !== etag)) {
      response.writeHead(200, { ...headers, 'content-length': bytes.length });
      this.#sendBody(bytes, request, response);
      return;
    }
    const start = Number(range[1]);
    const end = Math.min(bytes.length, range[2] ? Number(range[2]) + 1 : bytes.length);
    if (start >= bytes.length) {
      return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    }
    const contentRange = `bytes ${start}-${end - 1}/${bytes.length}`;
    response.writeHead(206, { ...headers, 'content-length': end - start, 'content-range': contentRange });
    this.#sendBody(bytes.subarray(start, end), request, response);
  }

  async #sendBody(body: Uint8Array, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'HEAD') return void response.end();
    // A range of one byte is how a size is asked for; it is not what tests want to break.
    const cut = body.length > 1 ? this.cuts.shift() : undefined;
    const stall = body.length > 1 && cut === undefined ? this.stalls.shift() : undefined;
    const stop = cut ?? stall ?? body.length;
    const piece = this.pauseMs > 0 ? 16384 : stop || 1;
    for (let at = 0; at < stop; at += piece) {
      if (response.destroyed) return;
      await new Promise((done) => response.write(body.subarray(at, Math.min(stop, at + piece)), done));
      if (this.pauseMs > 0) await new Promise((done) => setTimeout(done, this.pauseMs));
    }
    if (cut !== undefined) {
      // Time for the last piece to be read: what is still under way when a connection breaks is lost.
      setTimeout(() => request.socket.destroy(), 100);
    } else if (stall === undefined) response.end();
  }
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
