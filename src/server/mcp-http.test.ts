import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import { expect, test, vi } from 'vitest';
import { McpHttp } from './mcp-http.ts';

test('a call that its client has cancelled, or waited for too long, stops; those of others with the same id go on', async () => {
  const running = new Set<AbortSignal>();
  const { answer } = new McpHttp({
    ...{ host: '127.0.0.1', signal: new AbortController().signal },
    server: async () => {
      const server = new McpServer({ name: 'test', version: '1' });
      server.registerTool('wait', {}, ({ signal }) => {
        running.add(signal);
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            running.delete(signal);
            reject(signal.reason);
          });
        });
      });
      return server;
    },
    transport: () => new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: undefined }),
  });
  const connect = async () => {
    const client = new Client({ name: 'test', version: '1' });
    const fetch = (url: string | URL, init?: RequestInit) => {
      const headers = new Headers(init?.headers);
      headers.set('host', '127.0.0.1');
      return answer(new Request(url, { ...init, headers }));
    };
    await client.connect(new StreamableHTTPClientTransport(new URL('http://127.0.0.1/mcp'), { fetch }));
    return client;
  };
  const [one, other] = [await connect(), await connect()];
  const [stop, stopOther] = [new AbortController(), new AbortController()];
  const calls = [
    one.callTool({ name: 'wait' }, undefined, { signal: stop.signal }),
    other.callTool({ name: 'wait' }, undefined, { signal: stopOther.signal }), // the same id: clients count from 0
  ].map((call) => call.catch(() => {}));
  await vi.waitFor(() => expect(running.size).toBe(2));
  stop.abort();
  await vi.waitFor(() => expect(running.size).toBe(1));
  await expect(one.callTool({ name: 'wait' }, undefined, { timeout: 50 })).rejects.toThrow('timed out');
  await vi.waitFor(() => expect(running.size).toBe(1));
  stopOther.abort();
  await vi.waitFor(() => expect(running.size).toBe(0));
  await Promise.all(calls);
});
