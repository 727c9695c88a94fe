// Owns `onebit pull`: its options, what it prints and where. Fetching and the cache are in bytes/.
import { Command } from 'commander';
import { type CacheEntry, cacheFolder, listCache, removeCached } from '../bytes/cache.ts';
import type { DownloadProgress } from '../bytes/download.ts';
import { hubFromEnvironment, type PullResult, pullModel } from '../bytes/pull.ts';
import { printable } from '../core/printable.ts';
import { OnebitError } from '../errors.ts';
import { note, print, printJsonLine } from './print.ts';
import { formatBytes, progressLine } from './progress.ts';

interface PullFlags {
  list?: boolean;
  remove?: string;
  json?: boolean;
  endpoint?: string;
  sha256?: string;
}

const HELP = `
Examples:
  onebit pull prism-ml/Bonsai-1.7B-gguf
  onebit pull owner/repo/file.gguf@revision
  onebit pull owner/repo                       without a GGUF: the files of its folder of Transformers or MLX
  onebit pull https://example.com/model.gguf --sha256 HEX

An interrupted download is continued by the same command. A model that was pulled is used by its name, without the network.
Environment: HF_TOKEN (private and gated models), HF_ENDPOINT (another hub), ONEBIT_CACHE (folder).`;

/** The command `pull`; `context.signal` stops a download, which keeps what has arrived. */
export function pullCommand(context: { signal: AbortSignal }): Command {
  return new Command('pull')
    .description('download a model into the cache, or list and remove what is there')
    .argument('[name]', 'owner/repo[/file.gguf][@revision] on the Hugging Face hub, or a URL')
    .option('--list', 'list the cache')
    .option('--remove <name>', 'remove a model from the cache')
    .option('--json', 'print one JSON document')
    .option('--endpoint <url>', 'base URL of the hub (default: HF_ENDPOINT or https://huggingface.co)')
    .option('--sha256 <hex>', 'the hash that the file must have')
    .addHelpText('after', HELP)
    .action(async (name: string | undefined, flags: PullFlags) => {
      const asked = [name !== undefined, flags.list === true, flags.remove !== undefined].filter(Boolean).length;
      if (asked !== 1) {
        throw new OnebitError(
          'bad-argument',
          'pull: need exactly one of NAME, --list and --remove NAME. See onebit pull --help.',
        );
      }
      if (flags.list) await list(flags);
      else if (flags.remove !== undefined) await remove(flags.remove, flags);
      else if (name !== undefined) await pull(name, flags, context.signal);
    });
}

async function pull(name: string, flags: PullFlags, signal: AbortSignal): Promise<void> {
  const environment = hubFromEnvironment();
  const reporter = new PullReporter();
  let result: PullResult;
  try {
    result = await pullModel(name, {
      ...environment,
      endpoint: flags.endpoint ?? environment.endpoint,
      sha256: flags.sha256,
      signal,
      onProgress: (progress) => reporter.report(progress),
    });
  } catch (error) {
    reporter.line.clear();
    if (signal.aborted) note(`Stopped. ${reporter.kept()}To go on, run: onebit pull ${name}`);
    throw error;
  }
  reporter.line.clear();
  const { entry, how } = result;
  if (how === 'present') note('Already in the cache and current.');
  if (how === 'unchecked') note('The hub could not be reached; using what is in the cache.');
  const hash = entry.sha256 === undefined ? '' : `, SHA-256 ${entry.sha256}`;
  if (how === 'downloaded') note(`Done: ${formatBytes(entry.storedBytes)}${hash}.`);
  const { path, storedBytes: sizeBytes, sha256 } = entry;
  if (flags.json) printJsonLine({ path, sizeBytes, sha256, name: entry.name });
  else print(path);
}

/** Turns progress into the bar, or into one line a phase where there is no terminal. */
class PullReporter {
  readonly line = progressLine();
  #last: DownloadProgress | undefined;

  report(progress: DownloadProgress): void {
    const { phase, doneBytes, totalBytes } = progress;
    const label = { waiting: 'Waiting', checking: 'Checking', downloading: 'Downloading' }[phase];
    if (this.#last?.phase !== phase) {
      this.line.clear();
      const size = totalBytes === undefined ? '' : ` ${formatBytes(totalBytes)}`;
      if (phase === 'waiting') note('Another process downloads the same file; waiting for it.');
      else if (phase === 'checking') note('Checking what an earlier run left.');
      else if (this.#last?.phase === 'checking' && doneBytes > this.#last.doneBytes) {
        note(`Resuming at ${formatBytes(this.#last.doneBytes)}${size && ` of${size}`}.`);
      } else note(`Downloading${size}.`);
    }
    this.#last = progress;
    this.line.update(label, doneBytes, totalBytes);
  }

  /** What an interrupted download leaves, as a sentence. */
  kept(): string {
    if (!this.#last || this.#last.phase === 'waiting') return '';
    const { doneBytes, totalBytes } = this.#last;
    return `${formatBytes(doneBytes)}${totalBytes === undefined ? '' : ` of ${formatBytes(totalBytes)}`} are kept. `;
  }
}

async function list(flags: PullFlags): Promise<void> {
  const folder = cacheFolder();
  const entries = await listCache(folder);
  if (flags.json) return printJsonLine({ folder, models: entries.map(describe) });
  if (entries.length === 0) note(`The cache (${folder}) is empty.`);
  const width = Math.max(0, ...entries.map((entry) => entry.name.length));
  for (const { name, storedBytes, sizeBytes, complete, date } of entries) {
    const state = complete ? date.slice(0, 10) : `unfinished${sizeBytes ? ` (of ${formatBytes(sizeBytes)})` : ''}`;
    print(`${printable(name).padEnd(width)}  ${formatBytes(storedBytes).padStart(8)}  ${state}`);
  }
}

async function remove(name: string, flags: PullFlags): Promise<void> {
  const removed = await removeCached(name);
  if (flags.json) return printJsonLine({ removed: removed.map(describe) });
  for (const entry of removed) print(`Removed ${printable(entry.name)} (${formatBytes(entry.storedBytes)}).`);
}

function describe({ name, path, storedBytes, sizeBytes, sha256, complete, revision, url, date }: CacheEntry): object {
  return { name, path, storedBytes, sizeBytes, sha256, complete, revision, url, date };
}
