// Owns `onebit serve`: its models and their memory. The server itself is loaded only by this command.
import { Command } from 'commander';
import { type AbstainFlags, addAbstainOptions } from './calibration-file.ts';
import {
  addComputeOptions,
  type CommandContext,
  type ComputeFlags,
  collect,
  numberBetween,
  wholeNumber,
} from './context.ts';
import { addOperatorOptions } from './operator-flags.ts';
import { addRedisOptions } from './redis-flags.ts';
import { type AdapterFile, abstainOfServed, adapterFile, modelEntries } from './serve-models.ts';
import { graceOf, runServer, type ServerFlags } from './serve-run.ts';
import { builtSite } from './serve-site.ts';
import { openSupport } from './support-files.ts';

export interface ServeFlags extends ComputeFlags, ServerFlags, AbstainFlags {
  model?: string[];
  parallel: number;
  queue: number;
  kvTokens?: number;
  memory?: number;
  idle?: number;
  lora?: AdapterFile[];
  support?: string;
}

const HELP = `
Examples:
  onebit serve -m prism-ml/Bonsai-1.7B-gguf
  onebit serve --support support.gguf
  onebit serve -m models/ --memory 4000 --idle 10 --host 0.0.0.0 --api-keys keys.json
  curl http://127.0.0.1:8080/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"messages":[{"role":"user","content":"Where is my parcel?"}],"stream":true}'

Point any OpenAI client at http://127.0.0.1:8080/v1. Requests are logged on standard output, one JSON document per line.`;

/** The command `serve`. */
export function serveCommand({ signal, endsBySignal }: CommandContext): Command {
  const command = new Command('serve')
    .description("serve models over HTTP, in OpenAI's form")
    .option('-m, --model <path|name>', 'a model, as elsewhere, or a folder of GGUF files; may be repeated', collect);
  return addRedisOptions(addOperatorOptions(addAbstainOptions(addComputeOptions(command))))
    .option(
      '--lora <name=path>',
      'a low-rank adapter, called MODEL:NAME; of another model than the first: MODEL:NAME=PATH (may be repeated)',
      (value: string, previous: AdapterFile[] = []) => [...previous, adapterFile(value)],
    )
    .option('--port <n>', 'port, 0 for a free one', wholeNumber(0, 65535), 8080)
    .option('--host <address>', 'address to listen on; 0.0.0.0 for all', '127.0.0.1')
    .option('--api-key <key>', 'a key that clients must present (may be repeated; also ONEBIT_API_KEY)', collect)
    .option('--api-keys <file>', 'JSON with names, hashes and limits of keys')
    .option('--parallel <n>', 'requests that run at once', wholeNumber(1, 64), 16)
    .option('--queue <n>', 'requests that may wait; more are answered 429', wholeNumber(0, 100_000), 64)
    .option('--kv-tokens <n>', 'tokens that all requests together can hold in the cache', wholeNumber(1, 1 << 28))
    .option('--memory <MB>', 'most memory of all loaded models together', numberBetween(1, 1e9))
    .option('--idle <minutes>', 'of several models, put away those unused for so long', numberBetween(0, 1e6))
    .option('--support <file>', "also say what customers' queries are about: a model of onebit support train")
    .option('--sign-key <file>', 'sign all answers with a key of onebit sign --new-key')
    .option(
      '--jobs <folder|url>',
      'where files and batches lie (default: jobs in the cache folder); redis://host for onebit worker',
    )
    .option('--state <url>', 'keep answers and the use of keys where all replicas find them: redis://host')
    .option('--cors <origin>', 'let pages of this origin ask, * for all (may be repeated)', collect)
    .option('--allow-host <name>', 'another name by which the server may be called (may be repeated)', collect)
    .option('--max-body <MB>', 'largest body of a request', numberBetween(0.001, 1000), 8)
    .option('--timeout <seconds>', 'longest time for one answer', numberBetween(0.1, 1e6), 600)
    .option('--drain <seconds>', 'at SIGTERM, how long running requests may take to end', numberBetween(0, 1e6), 30)
    .option('--open-metrics', 'answer /metrics without a key, for a Prometheus in a closed network')
    .option('--log-texts', 'put the texts of prompts and answers into the log')
    .option('--quiet', 'log nothing')
    .addHelpText('after', HELP)
    .action(async (flags: ServeFlags, { parent }: Command) => {
      endsBySignal(graceOf(flags));
      await serve(flags, signal, parent?.version());
    });
}

async function serve(flags: ServeFlags, signal: AbortSignal, version?: string): Promise<void> {
  const { ModelShelf } = await import('../server/model-shelf.ts');
  const entries = await modelEntries(flags);
  const shelf = new ModelShelf(entries, {
    memoryBytes: flags.memory === undefined ? undefined : flags.memory * 1e6,
    idleMs: flags.idle === undefined ? undefined : flags.idle * 60_000,
  });
  const support = flags.support === undefined ? undefined : await openSupport(flags.support, signal);
  const digestOf = (id: string) => Promise.resolve(entries.find((entry) => entry.id === id)?.digest?.());
  const abstain = await abstainOfServed(flags, entries.length, signal);
  await runServer(flags, shelf, { support, version, site: builtSite, digestOf, abstain }, signal);
}
