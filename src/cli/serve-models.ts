// Owns finding the models that `onebit serve` is told of, how much memory each will take, and loading them.

import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { findCached } from '../bytes/cache.ts';
import { pathOf } from '../bytes/file-source.ts';
import { OnebitError } from '../errors.ts';
import type { Abstain } from '../generate/abstain.ts';
import { factsOf, type ModelFacts } from '../gguf/facts.ts';
import { readGguf } from '../gguf/read.ts';
import type { Gguf } from '../gguf/types.ts';
import { defaultContextTokens, load, residentBytesOf } from '../load.ts';
import { readModelConfig } from '../model/config.ts';
import { kvBytesPerToken, memoryNeed } from '../model/memory.ts';
import { modelDigest } from '../provenance/index.ts';
import type { ShelfEntry } from '../server/model-shelf.ts';
import { type AbstainFlags, abstainOf } from './calibration-file.ts';
import { type ComputeFlags, modelNameOf } from './context.ts';
import { withModelFile } from './suggest.ts';

export interface ServeModelFlags extends ComputeFlags {
  model?: string[];
  parallel: number;
  queue: number;
  kvTokens?: number;
  lora?: AdapterFile[];
}

/** An adapter that `--lora` names. */
export interface AdapterFile {
  /** Of the first model, where it is left out. */
  readonly model?: string;
  readonly name: string;
  readonly path: string;
}

/** Reads NAME=PATH or MODEL:NAME=PATH. */
export function adapterFile(text: string): AdapterFile {
  const [, model, name, path] = /^(?:([^=]+):)?([^=:]+)=(.+)$/s.exec(text) ?? [];
  if (name !== undefined) return { model, name, path };
  throw new InvalidArgumentError('It must be NAME=PATH or MODEL:NAME=PATH.');
}

/** Tokens of cache that a model gets, and the bytes that it takes with them. */
interface Need {
  readonly kvTokens: number;
  readonly totalBytes: number;
}

/** Cache memory that a model takes unless told otherwise, where a full context of every request would take more. */
const CACHE_BYTES = 512e6;

/** The models of `-m`: files, names, and the GGUF files of folders. @throws OnebitError `bad-argument` for a folder without models */
export async function modelEntries(flags: ServeModelFlags): Promise<ShelfEntry[]> {
  const names: string[] = [];
  for (const model of flags.model ?? ['seedling']) names.push(...(await filesOf(modelNameOf({ model }))));
  const ids = names.map(modelId);
  const adapters = (flags.lora ?? []).map((adapter) => ({ ...adapter, model: adapter.model ?? ids[0] }));
  const stray = adapters.find(({ model }) => !ids.includes(model));
  if (stray) {
    throw new OnebitError(
      'bad-argument',
      `serve: --lora must name one of the models ${ids.join(', ')}, got '${stray.model}'.`,
    );
  }
  return names.map((name) => {
    const own = adapters.filter(({ model }) => model === modelId(name));
    // Asked for right before a load: the header is read once for both.
    let need: Need | undefined;
    let facts: ModelFacts | undefined;
    let digest: Promise<string> | undefined;
    let modifiedAt: Promise<Date | undefined> | undefined;
    return {
      id: modelId(name),
      adapters: own.map((adapter) => adapter.name),
      digest: () => {
        digest ??= digestOf(name);
        return digest;
      },
      facts: async () => {
        facts ??= await headerOf(name, factsOf);
        return facts;
      },
      modifiedAt: () => {
        modifiedAt ??= modifiedOf(name);
        return modifiedAt;
      },
      needBytes: async (signal) => {
        need = await needOf(name, flags, signal);
        return need.totalBytes;
      },
      load: async (signal) => {
        const { backend, threads, ctx, kv, parallel, queue, i2sLayout } = flags;
        const { kvTokens } = need ?? (await needOf(name, flags, signal));
        const model = await load(name, {
          backend,
          threads,
          contextTokens: ctx,
          kvFormat: kv,
          kvTokens,
          parallel,
          queue,
          i2sLayout,
          signal,
        });
        try {
          for (const adapter of own) await model.addAdapter(adapter.name, adapter.path, { signal });
          return model;
        } catch (error) {
          await model.dispose();
          throw error;
        }
      },
    };
  });
}

/** When the one model that is served does not answer. @throws OnebitError `bad-argument` for several, and as `abstainOf` */
export async function abstainOfServed(
  flags: AbstainFlags & Pick<ServeModelFlags, 'model' | 'lora'>,
  models: number,
  signal: AbortSignal,
): Promise<Abstain | undefined> {
  if (flags.abstain === undefined) return undefined;
  if (models !== 1) {
    throw new OnebitError('bad-argument', `serve: --abstain needs one model, got ${models}. A calibration is of one.`);
  }
  const [name] = await filesOf(modelNameOf({ model: flags.model?.[0] }));
  return abstainOf(flags, name, signal);
}

/** `name` itself, or the models in it where it is a folder. */
async function filesOf(name: string): Promise<string[]> {
  const found = await stat(name).catch(() => undefined);
  if (!found?.isDirectory()) return [name];
  const files = (await readdir(name)).filter((file) => /\.gguf$/i.test(file) && !/mmproj/i.test(file)).sort();
  if (files.length === 0) throw new OnebitError('bad-argument', `serve: there is no .gguf file in the folder ${name}.`);
  return files.map((file) => join(name, file));
}

/** A file's name without its ending; the name of a pulled model as it is. */
function modelId(name: string): string {
  return /\.gguf$/i.test(name) ? basename(name).replace(/\.gguf$/i, '') : name;
}

/** What `use` makes of a model's header. */
async function headerOf<Result>(
  name: string,
  use: (gguf: Gguf) => Promise<Result> | Result,
  signal?: AbortSignal,
): Promise<Result> {
  return withModelFile(name, async (source) => use(await readGguf(source, { signal })), signal);
}

/** When the file or the folder of a model was written, without asking the network; undefined of an address that was not pulled. */
async function modifiedOf(name: string): Promise<Date | undefined> {
  const path = name.startsWith('file:') ? pathOf(name) : name;
  const written = async (file?: string) => file && (await stat(file).catch(() => undefined))?.mtime;
  return (await written(path)) || (await written((await findCached(name).catch(() => undefined))?.path)) || undefined;
}

function digestOf(name: string): Promise<string> {
  return withModelFile(name, (source) => modelDigest(source));
}

function needOf(name: string, flags: ServeModelFlags, signal?: AbortSignal): Promise<Need> {
  const need = (gguf: Gguf): Need => {
    const config = readModelConfig(gguf);
    const contextTokens = flags.ctx ?? defaultContextTokens(config.contextLength);
    const affordable = Math.floor(CACHE_BYTES / kvBytesPerToken(config, flags.kv));
    const wanted = flags.kvTokens ?? Math.min(flags.parallel * contextTokens, affordable);
    const kvTokens = Math.max(contextTokens, wanted);
    return {
      kvTokens,
      totalBytes: memoryNeed(config, residentBytesOf(gguf), kvTokens, flags.kv, flags.parallel).totalBytes,
    };
  };
  return headerOf(name, need, signal);
}
