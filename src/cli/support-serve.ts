// Owns `onebit support serve`: a server that only has a support model. `onebit serve --support` adds one to language models.
import { Command } from 'commander';
import { OnebitError } from '../errors.ts';
import type { WebhookOptions } from '../server/webhooks.ts';
import { type CommandContext, collect, numberBetween, wholeNumber } from './context.ts';
import { readInputText } from './read-input.ts';
import { graceOf, runServer, type ServerFlags } from './serve-run.ts';
import { builtWidget } from './serve-site.ts';
import { openSupport } from './support-files.ts';

const HELP = `
Examples:
  onebit support serve -m support.gguf --port 8080
  curl http://127.0.0.1:8080/v1/route -H 'content-type: application/json' -d '{"input":"Where is my card?"}'

GET /                a page to try messages, see why, and correct; the corrections are rows for support update
GET /widget.js       the window for your shop: <onebit-support server="…"></onebit-support> (with --cors of the shop)
POST /v1/classify   what queries are about        POST /v1/route   whether to answer, ask back or hand over
POST /v1/chat/completions   a conversation for any OpenAI client: canned answers, questions back, hand-overs

--webhook tells another system of every hand-over, signed with the secret in ONEBIT_WEBHOOK_SECRET or
--webhook-secret-file as https://www.standardwebhooks.com describes.`;

interface WebhookFlags {
  webhook?: string;
  webhookSecretFile?: string;
}

/** Where hand-overs are told, and the secret that signs them, which is never on the command line. */
async function webhookOf(flags: WebhookFlags, signal: AbortSignal): Promise<WebhookOptions | undefined> {
  const { webhook: url, webhookSecretFile: file } = flags;
  if (url === undefined) return undefined;
  const secret =
    file === undefined ? process.env.ONEBIT_WEBHOOK_SECRET : await readInputText(file, 'read secret', signal);
  if (secret) return { url, secret };
  throw new OnebitError(
    'bad-argument',
    '--webhook: there must be a secret that signs what is told, got none. Set ONEBIT_WEBHOOK_SECRET or --webhook-secret-file.',
  );
}

/** The command `support serve`. */
export function serveSupportCommand({ signal, endsBySignal }: CommandContext): Command {
  return new Command('serve')
    .description('serve a model over HTTP')
    .requiredOption('-m, --model <file>', 'a model of onebit support train')
    .option('--port <n>', 'port, 0 for a free one', wholeNumber(0, 65535), 8080)
    .option('--host <address>', 'address to listen on; 0.0.0.0 for all', '127.0.0.1')
    .option('--api-key <key>', 'a key that clients must present (may be repeated; also ONEBIT_API_KEY)', collect)
    .option('--api-keys <file>', 'JSON with names, hashes and limits of keys')
    .option('--cors <origin>', 'let pages of this origin ask, * for all (may be repeated)', collect)
    .option('--allow-host <name>', 'another name by which the server may be called (may be repeated)', collect)
    .option('--webhook <url>', 'where hand-overs are told')
    .option('--webhook-secret-file <file>', 'a file with the secret that signs them (also ONEBIT_WEBHOOK_SECRET)')
    .option('--max-body <MB>', 'largest body of a request', numberBetween(0.001, 1000), 8)
    .option('--timeout <seconds>', 'longest time for one answer', numberBetween(0.1, 1e6), 60)
    .option('--drain <seconds>', 'at SIGTERM, how long running requests may take to end', numberBetween(0, 1e6), 30)
    .option('--log-texts', 'put the texts of queries into the log')
    .option('--quiet', 'log nothing')
    .addHelpText('after', HELP)
    .action(async (flags: ServerFlags & WebhookFlags & { model: string }) => {
      endsBySignal(graceOf(flags));
      const support = await openSupport(flags.model, signal);
      const { ModelShelf } = await import('../server/model-shelf.ts');
      await runServer(
        flags,
        new ModelShelf([], { mayBeEmpty: true }),
        { support, webhook: await webhookOf(flags, signal), site: builtWidget },
        signal,
      );
    });
}
