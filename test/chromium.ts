// Owns Debian's Chromium for tests, and a small file server for its pages: folders under paths, byte ranges, with or without cross-origin isolation.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const hasChromium = existsSync(CHROMIUM);
/** For names of tests. */
export const chromiumReason = hasChromium ? '' : ` (skipped: no browser at ${CHROMIUM}; set CHROMIUM)`;

const QUIET = [
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

export function launchChromium(...args: string[]): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: [...QUIET, ...args] });
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};

export interface FileServer {
  readonly origin: string;
  /** Paths asked for so far. */
  readonly asked: string[];
  close(): void;
}

export interface FileServerOptions {
  /** Path prefix → folder. The longest prefix counts. */
  readonly folders?: Readonly<Record<string, string>>;
  /** Path → contents. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Send the headers that let pages have threads. Default true. */
  readonly isolated?: boolean;
  /** Answers a request itself by returning true. */
  readonly handle?: (request: IncomingMessage, response: ServerResponse, path: string) => boolean;
}

export async function serveFiles(options: FileServerOptions): Promise<FileServer> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://localhost').pathname);
    asked.push(path);
    if (options.isolated ?? true) {
      response.setHeader('cross-origin-opener-policy', 'same-origin');
      response.setHeader('cross-origin-embedder-policy', 'require-corp');
    }
    // As a CDN: other origins may have it.
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('cross-origin-resource-policy', 'cross-origin');
    if (options.handle?.(request, response, path)) return;
    const content = options.files?.[path];
    if (content !== undefined) {
      response.setHeader(
        'content-type',
        TYPES[extname(path)] ?? (path.endsWith('/') ? TYPES['.html'] : 'application/octet-stream'),
      );
      sendBytes(request, response, typeof content === 'string' ? Buffer.from(content) : content);
      return;
    }
    const file = fileFor(options.folders ?? {}, path);
    if (!file) response.writeHead(404).end('nothing here');
    else sendFile(request, response, file);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function fileFor(folders: Readonly<Record<string, string>>, path: string): string | undefined {
  const prefix = Object.keys(folders)
    .filter((start) => path.startsWith(start))
    .sort((a, b) => b.length - a.length)[0];
  if (prefix === undefined) return undefined;
  const rest = normalize(path.slice(prefix.length)).replace(/^(\.\.[/\\])+/, '');
  const file = join(folders[prefix], rest === '.' || rest.endsWith('/') ? `${rest}/index.html` : rest);
  return existsSync(file) && statSync(file).isFile() ? file : undefined;
}

function rangeOf(request: IncomingMessage, size: number): [number, number] | undefined {
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  if (!match) return undefined;
  return [Number(match[1]), Math.min(match[2] ? Number(match[2]) : size - 1, size - 1)];
}

function sendFile(request: IncomingMessage, response: ServerResponse, file: string): void {
  const { size } = statSync(file);
  response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
  const range = rangeOf(request, size);
  if (!range) {
    response.setHeader('content-length', size);
    createReadStream(file).pipe(response);
    return;
  }
  response.writeHead(206, {
    'content-range': `bytes ${range[0]}-${range[1]}/${size}`,
    'content-length': range[1] - range[0] + 1,
  });
  createReadStream(file, { start: range[0], end: range[1] }).pipe(response);
}

function sendBytes(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void {
  const range = rangeOf(request, bytes.length);
  if (!range) {
    response.setHeader('content-length', bytes.length);
    response.end(bytes);
    return;
  }
  response.statusCode = 206;
  response.setHeader('content-range', `bytes ${range[0]}-${range[1]}/${bytes.length}`);
  response.end(bytes.subarray(range[0], range[1] + 1));
}
