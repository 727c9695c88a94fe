// Owns `onebit sign`: signatures of models, in their files, and of other files, beside them; and keys to make them with.
import { basename } from 'node:path';
import { Command } from 'commander';
import { fileSource } from '../bytes/file-source.ts';
import type { ByteSource } from '../bytes/source.ts';
import { OnebitError } from '../errors.ts';
import { newSigningKey, readSigningKey, type SigningKey, signFile, signModel } from '../provenance/index.ts';
import type { CommandContext } from './context.ts';
import { Outputs } from './outputs.ts';
import { print } from './print.ts';
import { readInput, readInputText } from './read-input.ts';

interface SignFlags {
  key?: string;
  newKey?: string;
  output?: string;
}

const HELP = `
Examples:
  onebit sign --new-key publisher.key
  onebit sign model.gguf --key publisher.key -o model-signed.gguf
  onebit sign CARD.md --key publisher.key            (writes CARD.md.intoto.json)
  onebit verify model-signed.gguf --key ed25519:...

A key file is secret; the id that is printed is what others check with.`;

/** The command `sign`. */
export function signCommand({ signal }: CommandContext): Command {
  return new Command('sign')
    .description('sign a model, a card or any file with an Ed25519 key')
    .argument('[file]', 'what to sign')
    .option('--key <file>', 'the secret key')
    .option('--new-key <file>', 'make a secret key')
    .option(
      '-o, --output <file>',
      'of a model: the signed one; of other files: the signature (default: FILE.intoto.json)',
    )
    .addHelpText('after', HELP)
    .action(async (file: string | undefined, flags: SignFlags, command: Command) => {
      if (flags.newKey !== undefined) return makeKey(flags.newKey);
      if (file === undefined || flags.key === undefined) {
        command.error('error: give a file and --key, or --new-key', { exitCode: 2 });
      }
      await sign(file, flags.key, flags.output, signal);
    });
}

/** The secret key in a file. */
export async function signingKeyOf(path: string, signal: AbortSignal): Promise<SigningKey> {
  const text = await readInputText(path, 'read signing key', signal);
  let jwk: unknown;
  try {
    jwk = JSON.parse(text);
  } catch {
    jwk = undefined; // PEM, for example: what a key must be is said of it as of all others
  }
  return readSigningKey(jwk);
}

async function makeKey(path: string): Promise<void> {
  const outputs = await Outputs.claim([{ option: '--new-key', path, kind: 'key' }], []);
  try {
    const key = await newSigningKey();
    await outputs.writeSecret(path, new TextEncoder().encode(`${JSON.stringify(key)}\n`));
    print(`${(await readSigningKey(key)).id}`);
  } finally {
    await outputs.release();
  }
}

async function sign(file: string, keyFile: string, output: string | undefined, signal: AbortSignal): Promise<void> {
  const key = await signingKeyOf(keyFile, signal);
  const isModel = await beginsAsGguf(file);
  if (isModel && output === undefined) {
    throw new OnebitError(
      'bad-argument',
      'sign: a signed model needs a file of its own, got no --output. Give -o FILE.',
    );
  }
  const path = output ?? `${file}.intoto.json`;
  const outputs = await Outputs.claim(
    [{ option: '--output', path, kind: isModel ? 'model' : 'signature' }],
    [file, keyFile],
  );
  try {
    if (isModel) await signModelFile(file, path, key, outputs, signal);
    else {
      const envelope = await signFile(new Uint8Array(await readInput(file, 'sign', signal)), basename(file), key);
      await outputs.write(path, new TextEncoder().encode(envelope));
    }
    print(`${path}: signed by ${key.id}`);
  } finally {
    await outputs.release();
  }
}

async function signModelFile(file: string, path: string, key: SigningKey, outputs: Outputs, signal: AbortSignal) {
  const source = await fileSource(file);
  try {
    await outputs.produce(path, async (append) => {
      await signModel(source, key, { name: basename(file) }, append, signal);
    });
  } finally {
    await source.close();
  }
}

async function beginsAsGguf(path: string): Promise<boolean> {
  const source = await fileSource(path);
  try {
    return await isGguf(source);
  } finally {
    await source.close();
  }
}

/** Whether a file begins as GGUF files do. */
export async function isGguf(source: ByteSource): Promise<boolean> {
  const magic = new Uint8Array(Math.min(4, source.size));
  await source.readInto(magic, 0);
  return new TextDecoder().decode(magic) === 'GGUF';
}
