// Owns `onebit mcp`: models as tools for assistants, by the Model Context Protocol, over stdio or HTTP. The SDK is an optional package, loaded only here.
import { Command } from 'commander';
import { OnebitError } from '../errors.ts';
import { SUPPORT_ARCHITECTURE } from '../tasks/support/architecture.ts';
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
/** Of JSON-RPC. */
const INVALID_REQUEST = -32600;

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
  const { BoundedLines, MOST_LINE_BYTES } = await import('./mcp-lines.ts');
  const server = await mcpServer(models, signal);
  const message = `a message must have at most ${MOST_LINE_BYTES} bytes. Send fewer texts at once.`;
  const lines = new BoundedLines((id) => {
    process.stdout.write(
      `{"jsonrpc":"2.0","id":${id},"error":${JSON.stringify({ code: INVALID_REQUEST, message })}}\n`,
    );
  });
  const ended = new Promise<void>((resolve) => {
    process.stdin.once('end', resolve);
    process.stdin.once('close', resolve);
    server.server.onclose = resolve;
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await server.connect(new StdioServerTransport(process.stdin.pipe(lines)));
  await ended;
  await server.close();
}

async function serveHttp(models: McpModels, { port, host }: McpFlags, signal: AbortSignal): Promise<void> {
  const { WebStandardStreamableHTTPServerTransport: Transport } = await sdk(
    () => import('@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'),
  );
  const { mcpServer } = await import('./mcp-tools.ts');
  const { McpHttp } = await import('../server/mcp-http.ts');
  const { listen } = await import('../server/node-adapter.ts');
  const { answer } = new McpHttp({
    ...{ host, signal },
    server: () => mcpServer(models, signal),
    transport: () => new Transport({ sessionIdGenerator: undefined }),
  });
  const listening = await listen(answer, { port, host });
  note(`listening on ${listening.url}/mcp`);
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await listening.close();
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
