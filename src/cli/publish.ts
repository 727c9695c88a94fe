// Owns `onebit publish`: a model with its card to the hub. What a card must say: train/model-card.ts; the hub's protocol is that of @huggingface/hub.
import { openAsBlob } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Command } from 'commander';
import { proxyFetch } from '../bytes/cache.ts';
import { fileError, fileSource, systemCode } from '../bytes/file-source.ts';
import { hubFromEnvironment } from '../bytes/pull.ts';
import { OnebitError } from '../errors.ts';
import { readGguf } from '../gguf/read.ts';
import { cardProblems } from '../train/model-card.ts';
import { type CommandContext, collect } from './context.ts';
import { print, printJson } from './print.ts';
import { readInputText } from './read-input.ts';

interface PublishFlags {
  to: string;
  card?: string;
  file?: string[];
  private?: boolean;
  branch: string;
  message?: string;
  endpoint?: string;
  dryRun?: boolean;
  json?: boolean;
}

const HELP = `
Examples:
  onebit publish shop.gguf --to me/shop-1bit              (with shop.card.md, which onebit train wrote and you completed)
  onebit publish shop-signed.gguf --to me/shop-1bit --card CARD.md --file CARD.md.intoto.json
  onebit publish shop.gguf --to me/shop-1bit --dry-run

A model without a complete card is not published: intended use, limits, data and licences, evaluation, known failures, and the license in its
head. Environment: HF_TOKEN (a token that may write), HF_ENDPOINT (another hub).`;

/** The command `publish`. */
export function publishCommand({ signal }: CommandContext): Command {
  return new Command('publish')
    .description('publish a model with its card on the Hugging Face hub')
    .argument('<model>', 'a GGUF file')
    .requiredOption('--to <owner/repo>', 'where')
    .option('--card <file>', 'the card (default: MODEL.card.md)')
    .option('--file <file>', 'another file that goes with it, as a signature (may be repeated)', collect)
    .option('--private', 'a repository that is made is private')
    .option('--branch <name>', 'branch of the repository', 'main')
    .option('--message <text>', 'what the commit says')
    .option('--endpoint <url>', 'base URL of the hub (default: HF_ENDPOINT or https://huggingface.co)')
    .option('--dry-run', 'only look whether all is there')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action(async (model: string, flags: PublishFlags) => publish(model, flags, signal));
}

async function publish(model: string, flags: PublishFlags, signal: AbortSignal): Promise<void> {
  if (!/^[\w][\w.-]{0,95}\/[\w][\w.-]{0,95}$/.test(flags.to)) {
    throw new OnebitError('bad-argument', `publish: --to must be OWNER/REPO, got '${flags.to.slice(0, 100)}'.`);
  }
  const card = flags.card ?? `${model.replace(/\.gguf$/i, '')}.card.md`;
  await checkModel(model);
  await checkCard(card, signal);
  const others = flags.file ?? [];
  for (const file of others) await refuseSecret(file);
  const named = [[basename(model), model], ['README.md', card], ...others.map((file) => [basename(file), file])];
  const twice = named.find(([name], i) => named.findIndex(([other]) => other.toLowerCase() === name.toLowerCase()) < i);
  if (twice) {
    throw new OnebitError('bad-argument', `publish: each file must have a name of its own, two would be ${twice[0]}.`);
  }
  const files = await Promise.all(named.map(async ([path, from]) => ({ path, content: await blobOf(from) })));
  if (flags.dryRun) return report(flags, files);
  const url = await upload(files, flags, signal);
  report(flags, files, url);
}

function report(flags: PublishFlags, files: readonly { path: string; content: Blob }[], url?: string): void {
  const listed = files.map(({ path, content }) => ({ path, bytes: content.size }));
  if (flags.json) printJson({ to: flags.to, files: listed, commit: url ?? null });
  else if (url === undefined)
    print(`${listed.map(({ path, bytes }) => `${path} (${bytes} bytes)`).join(', ')}: ready for ${flags.to}`);
  else print(`${flags.to}: ${listed.map(({ path }) => path).join(', ')}; ${url}`);
}

/** @throws OnebitError for what is no model */
async function checkModel(path: string): Promise<void> {
  const source = await fileSource(path);
  try {
    await readGguf(source);
  } finally {
    await source.close();
  }
}

async function checkCard(path: string, signal: AbortSignal): Promise<void> {
  const isThere = await readFile(path).then(
    () => true,
    (error) => {
      if (systemCode(error) === 'ENOENT') return false;
      throw fileError('read card', path, error);
    },
  );
  if (!isThere) {
    throw new OnebitError(
      'bad-argument',
      `publish: a model must have a card, there is no ${path}. onebit train writes one; or give --card.`,
    );
  }
  const problems = cardProblems(await readInputText(path, 'read card', signal));
  if (problems.length === 0) return;
  const message = `publish: ${path} must be complete, it is not: ${problems.join('; ')}. docs/responsible-use.md says what belongs there.`;
  throw new OnebitError('bad-argument', message, { problems });
}

function blobOf(path: string): Promise<Blob> {
  return openAsBlob(path).catch((error) => {
    throw fileError('read', path, error);
  });
}

async function upload(
  files: readonly { path: string; content: Blob }[],
  { to, branch, message, endpoint, private: isPrivate }: PublishFlags,
  signal: AbortSignal,
): Promise<string> {
  const { commit, createRepo } = await hubLibrary();
  const { endpoint: hubUrl, token: accessToken } = hubFromEnvironment();
  if (!accessToken) throw new OnebitError('bad-argument', 'publish: HF_TOKEN must be set to a token that may write.');
  const shared = { accessToken, hubUrl: endpoint ?? hubUrl, fetch: await proxyFetch() };
  const repo = { type: 'model', name: to } as const;
  let isThere = false;
  try {
    await createRepo({ ...shared, repo, private: isPrivate }).catch((error: HubFailure) => {
      if (error.statusCode !== 409) throw error; // it is there already
    });
    isThere = true;
    const operations = files.map((file) => ({ operation: 'addOrUpdate', ...file }) as const);
    const title = message ?? `Publish ${files[0].path}`;
    const done = await commit({ ...shared, repo, branch, title, operations, useXet: false, abortSignal: signal });
    if (!done?.commit.url) throw new Error('an answer that names no commit');
    return done.commit.url;
  } catch (cause) {
    signal.throwIfAborted();
    const { said, advice } = failureOf(cause as HubFailure, isThere);
    throw new OnebitError('network', `publish: the hub must take the files, got ${said}. ${advice}`, { cause });
  }
}

/** What the hub answered, or what happened on the way to it. */
type HubFailure = Error & { readonly statusCode?: number };

const ADVICE: Readonly<Record<number, string>> = {
  401: 'HF_TOKEN must be a token that this hub knows: make one that may write.',
  403: 'The token in HF_TOKEN must be one that may write there.',
  404: 'Owner and branch must be there: look at --to and --branch.',
};

/** @param begun whether files were sent: then nobody knows whether the last step was done */
function failureOf(error: HubFailure, begun: boolean): { said: string; advice: string } {
  const { statusCode } = error;
  const own = error.message.split('. URL: ')[0];
  const said = (statusCode === undefined ? reasonOf(error) : `${statusCode}, ${own}`).replace(/\.+$/, '');
  const again = begun
    ? 'Look there whether the commit came through; if not, the same command again sends only what is missing.'
    : 'Nothing was published. Try again later.';
  return { said, advice: ADVICE[statusCode ?? 0] ?? again };
}

/** What is behind a failed request, whose own message says only that it failed. */
function reasonOf({ message, cause }: Error): string {
  return cause instanceof Error ? cause.message || (systemCode(cause) ?? message) : message;
}

const SECRET_BYTES = 1 << 16;

/** What was published cannot be taken back. @throws OnebitError for a file with a secret key */
async function refuseSecret(path: string): Promise<void> {
  const text = await (await blobOf(path)).slice(0, SECRET_BYTES).text();
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----|"kty"\s*:[^}]*"d"\s*:|"d"\s*:[^}]*"kty"\s*:/.test(text)) return;
  throw new OnebitError('bad-argument', `publish: a secret key must stay secret, ${path} is one. Leave it out.`);
}

/** Loaded only here: who does not publish does not need it. */
async function hubLibrary(): Promise<typeof import('@huggingface/hub')> {
  try {
    return await import('@huggingface/hub');
  } catch (cause) {
    throw new OnebitError(
      'unsupported',
      'publish: the package @huggingface/hub must be there, it is not. npm install @huggingface/hub',
      { cause },
    );
  }
}
