#!/usr/bin/env node
// Stands in for llama.cpp's program `llama-server` when its own tests are run against this server: takes its flags, serves the model that the environment
// names (ONEBIT_COMPAT_MODEL). Flags that have no meaning here are ignored.
import { parseArgs } from 'node:util';
import { load } from '../../dist/index.js';
import { hashKey, ModelShelf, OnebitServer } from '../../dist/server/index.js';
import { listen } from '../../dist/server/node-adapter.js';

const text = (name) => [name, { type: 'string' }];
const { values } = parseArgs({
  strict: false,
  options: Object.fromEntries(['host', 'port', 'ctx-size', 'parallel', 'alias', 'api-key'].map(text)),
});
const contextTokens = Number(values['ctx-size'] ?? 512);
const parallel = Number(values.parallel ?? 1);
const entry = {
  id: values.alias ?? 'tinyllama-2',
  needBytes: async () => 0,
  load: () =>
    load(process.env.ONEBIT_COMPAT_MODEL, {
      ...{ contextTokens, parallel, threads: 1 },
      ...{ kvTokens: parallel * contextTokens, queue: 64 },
    }),
};
const keys = values['api-key'] ? [{ name: 'test', sha256: await hashKey(values['api-key']) }] : [];
const server = new OnebitServer(new ModelShelf([entry]), { keys, corsOrigins: ['*'] });
(await server.shelf.borrow()).release();
/** Routes that are here below /v1 only. */
const OURS = /^\/(?=(chat\/completions|embeddings|tokenize|detokenize|models|responses|messages)$)/;
const answer = (request) => {
  const url = new URL(request.url);
  url.pathname = url.pathname.replace(OURS, '/v1/');
  return server.fetch(url.href === request.url ? request : new Request(url, request));
};
await listen(answer, { port: Number(values.port), host: values.host ?? '127.0.0.1' });
