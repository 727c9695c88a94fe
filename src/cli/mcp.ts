// Owns `onebit mcp`: models as tools for assistants, by the Model Context Protocol, over stdio or HTTP. The SDK is an optional package, loaded only here.
import { createServer } from 'node:http';
import { Command } from 'commander';
import { OnebitError } from '../errors.ts';
import { SUPPORT_ARCHITECTURE } from '../tasks/support/file.ts';
import {
  addModelOptions,
  type CommandContext,
  loadModel,
  type ModelFlags,
  modelNameOf,
  wholeNumber,
} from './context.ts';
import { openRules } from './mcp-rules.ts';
import type { McpModels } from './mcp-tools.ts';
import { addAnswerRules, type OperatorFlags } from './operator-flags.ts';
import { note } from './print.ts';
import { architectureOf } from './suggest.ts';
import { openSupport } from './support-files.ts';

interface McpFlags extends ModelFlags, OperatorFlags {
  support?: string;
  http?: boolean;
  port: number;
  host: string;
}

const HELP = `
Examples:
  onebit mcp -m support.gguf                      # tools classify, answer, fields, decide
  onebit mcp -m model.gguf --support support.gguf # generate and batch too
  onebit mcp --http --port 8081                   # http://127.0.0.1:8081/mcp
  onebit mcp -m model.gguf --watermark @key.txt --audit calls.log   # what the model writes is marked, who calls what is written down

Needs the package @modelcontextprotocol/sdk beside onebit: npm install @modelcontextprotocol/sdk
An assistant starts it itself: {"mcpServers":{"onebit":{"command":"npx","args":["onebit","mcp","-m","model.gguf"]}}}`;

const GRACE_MS = 2000;
const MOST_BODY_BYTES = 8 << 20;
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** The command `mcp`. */
export function mcpCommand({ signal, endsBySignal }: CommandContext): Command {
  const command = new Command('mcp').description('offer models as tools to assistants (Model Context Protocol)');
  return addAnswerRules(addModelOptions(command))
    .option('--support <file>', 'a support model beside the language model')
    .option('--http', 'listen for HTTP instead of talking over standard input and output')
    .option('--port <n>', 'port, 0 for a free one', wholeNumber(0, 65535), 8081)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .addHelpText('after', HELP)
    .action(async (flags: McpFlags) => {
      endsBySignal(GRACE_MS);
      const models = await openModels(flags, signal);
      let rules: Awaited<ReturnType<typeof openRules>> | undefined;
      try {
        rules = await openRules(flags, models.language);
        const tools = { ...models, answerer: rules.answerer };
        await (flags.http ? serveHttp(tools, flags, signal) : serveStdio(tools, signal));
      } finally {
        await rules?.close();
        await models.language?.dispose();
      }
    });
}

/** `-m` may be a support model: then there is no other. */
async function openModels(flags: McpFlags, signal: AbortSignal): Promise<Omit<McpModels, 'answerer'>> {
  const name = modelNameOf(flags);
  if ((await architectureOf(name).catch(() => undefined)) === SUPPORT_ARCHITECTURE) {
    if (flags.support === undefined) return { support: await openSupport(name, signal) };
    throw new OnebitError('bad-argument', 'mcp: -m or --support may be a support model, got two. Leave one out.');
  }
  const support = flags.support === undefined ? undefined : await openSupport(flags.support, signal);
  return { support, language: await loadModel(flags, signal) };
}

async function serveStdio(models: McpModels, signal: AbortSignal): Promise<void> {
  const { StdioServerTransport } = await sdk(() => import('@modelcontextprotocol/sdk/server/stdio.js'));
  const { mcpServer } = await import('./mcp-tools.ts');
  const server = await mcpServer(models, signal);
  const ended = new Promise<void>((resolve) => {
    process.stdin.once('end', resolve);
    process.stdin.once('close', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await server.connect(new StdioServerTransport());
  await ended;
  await server.close();
}

/** Each request is answered by a server of its own: nothing is kept between them, so that any replica can answer any. */
async function serveHttp(models: McpModels, { port, host }: McpFlags, signal: AbortSignal): Promise<void> {
  const { StreamableHTTPServerTransport } = await sdk(
    () => import('@modelcontextprotocol/sdk/server/streamableHttp.js'),
  );
  const { mcpServer } = await import('./mcp-tools.ts');
  const isLocal = host === 'localhost' || host === '::1' || host.startsWith('127.');
  const http = createServer(async (request, response) => {
    const refuse = (status: number, message: string) => {
      response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
      response.end(JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message }, id: null }));
    };
    const name = (request.headers.host ?? '').replace(/:\d+$/, '');
    // Pages that give their own name this address, and pages of other origins, must not get in.
    if (isLocal && (!LOOPBACK.includes(name) || request.headers.origin !== undefined))
      return refuse(403, 'not for pages');
    if (new URL(request.url ?? '/', 'http://x').pathname !== '/mcp') return refuse(404, 'the address is /mcp');
    if (request.method !== 'POST') return refuse(405, 'this server takes POST');
    try {
      const body = await bodyOf(request);
      if (body === undefined) return refuse(413, `a body may have ${MOST_BODY_BYTES} bytes`);
      const server = await mcpServer(models, signal);
      const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
      response.on('close', () => void server.close());
      await server.connect(transport as never);
      await transport.handleRequest(request, response, JSON.parse(body));
    } catch (error) {
      if (!response.headersSent) refuse(400, error instanceof SyntaxError ? 'the body must be JSON' : 'it failed');
      else response.destroy();
    }
  });
  await new Promise<void>((resolve, reject) => {
    http.once('error', (error) =>
      reject(new OnebitError('io', `mcp: ${host}:${port} must be free, got ${error.message}.`)),
    );
    http.listen(port, host, resolve);
  });
  const address = http.address();
  note(`listening on http://${host}:${typeof address === 'object' ? address?.port : port}/mcp`);
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
}

async function bodyOf(request: AsyncIterable<Buffer>): Promise<string | undefined> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request) {
    bytes += piece.length;
    if (bytes > MOST_BODY_BYTES) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** A part of the SDK. @throws OnebitError `unsupported` where it is not installed */
async function sdk<Part>(load: () => Promise<Part>): Promise<Part> {
  try {
    return await load();
  } catch (cause) {
    const message =
      'mcp: the package @modelcontextprotocol/sdk must be installed, it is not. Run: npm install @modelcontextprotocol/sdk';
    throw new OnebitError('unsupported', message, { cause });
  }
}
