// Owns the list of commands that write, each with small inputs, and what whole outputs of theirs look like. Must not know what is done to them.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { memorySource } from '../../dist/bytes/index.js';
import { readGguf } from '../../dist/gguf/index.js';

const RUN = '--context 32 --batch 64 --threads 1 --sample-every 0 --eval-every 8'.split(' ');
const SMALL = [
  ...'--width 128 --layers 1 --heads 2 --head-size 64 --kv-heads 1 --ffn 128 --vocab 300'.split(' '),
  ...RUN,
];
const WORDS = ['shoe', 'hat', 'coat', 'bag', 'belt', 'scarf', 'glove', 'sock', 'shirt', 'skirt'];
const COLOURS = ['red', 'blue', 'green', 'black', 'white', 'brown', 'grey', 'pink'];
const rows = (make) => COLOURS.flatMap((colour) => WORDS.map((word) => make(colour, word))).join('\n');

/** Files that every command finds; the last belong to nobody's run. */
export function writeInputs(folder) {
  const files = {
    'corpus.txt': `${rows((colour, word) => `the cat sat on the ${colour} ${word}.\nthe dog slept.\n`)}\n`,
    'table.csv': `text,intent\n${rows((colour, word) => `where is my ${colour} ${word},${word}`)}\n`,
    'more.csv': 'text,intent\nwhere is my old ring,ring\nmy gold ring is lost,ring\nis the ring there,ring\n',
    'labels.csv': `text,label\n${rows((colour, word) => `the ${colour} ${word},${colour < 'c' ? 'yes' : 'no'}`)}\n`,
    'rows.csv': `text,number\n${rows((colour, word) => `where is my ${colour} ${word},1`)}\n`,
    'texts.json': '{"language":"en","texts":{}}',
    'ask.jsonl': '{"prompt":"What colour is snow?","answers":["white"]}\n{"prompt":"What is 1?","answers":["1"]}\n',
    'mine.txt': 'mine',
    'out.gguf.part': 'mine',
    'out.part': 'mine',
    'step-000000001.ckpt': 'mine',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

/** Commands that make the models which the others read. */
export const FIRST = [
  ['train', 'corpus.txt', '-o', 'model.gguf', ...SMALL, '--steps', '2'],
  ['train', 'corpus.txt', '-o', 'float.gguf', ...SMALL, '--kind', 'float', '--steps', '2'],
  ['support', 'train', 'table.csv', '-o', 'support.gguf'],
  ['decide', 'train', 'labels.csv', '-o', 'decide.gguf'],
  ['sign', '--new-key', 'sign.key'],
];

/**
 * @typedef {object} WritingCommand
 * @property {string} name
 * @property {string[]} args
 * @property {string[]} [again] added to go on where a run was ended
 * @property {string[]} outputs what must be there at the end
 * @property {boolean} [once] what is whole is never replaced
 * @property {string[]} [kept] what may stay of a run that was ended, beside the outputs
 */

/** @type {WritingCommand[]} */
export const COMMANDS = [
  { name: 'train', args: ['train', 'corpus.txt', '-o', 'out.gguf', ...SMALL, '--steps', '40', '--checkpoint-every', '5'], again: ['--resume'], outputs: ['out.gguf', 'out.log.jsonl', 'out.html', 'out.card.md'], kept: ['out.gguf.ckpt'] },
  { name: 'distil', args: ['distil', 'float.gguf', 'corpus.txt', '-o', 'out.gguf', ...RUN, '--steps', '20'], again: ['--resume'], outputs: ['out.gguf', 'out.log.jsonl', 'out.html', 'out.card.md'], kept: ['out.gguf.ckpt'] },
  { name: 'train --export-tokens', args: ['train', 'corpus.txt', '-o', 'x.gguf', ...SMALL, '--steps', '5', '--export-tokens', 'out'], outputs: ['out/tokens.safetensors', 'out/config.json', 'out/tokenizer.json'], once: true, kept: ['out', 'x.gguf.ckpt'] },
  { name: 'convert', args: ['convert', 'model.gguf', '-o', 'out.gguf', '--type', 'same'], outputs: ['out.gguf'] },
  { name: 'convert --to hf', args: ['convert', 'model.gguf', '-o', 'out', '--to', 'hf'], outputs: ['out/model.safetensors', 'out/config.json', 'out/tokenizer.json'], once: true, kept: ['out'] },
  { name: 'support train', args: ['support', 'train', 'table.csv', '-o', 'out.gguf'], outputs: ['out.gguf', 'out.card.md'] },
  { name: 'support update', args: ['support', 'update', 'more.csv', '-m', 'support.gguf', '-o', 'support.gguf'], outputs: ['support.gguf', 'support.card.md'] },
  { name: 'support texts', args: ['support', 'texts', 'texts.json', '-m', 'support.gguf', '-o', 'out.gguf'], outputs: ['out.gguf'] },
  { name: 'support report', args: ['support', 'report', 'table.csv', '-m', 'support.gguf', '-o', 'out.html'], outputs: ['out.html'] },
  { name: 'support predict', args: ['support', 'predict', '-m', 'support.gguf', '--file', 'rows.csv', '-o', 'out.csv'], outputs: ['out.csv'] },
  { name: 'support redact', args: ['support', 'redact', '--file', 'rows.csv', '-o', 'out.txt'], outputs: ['out.txt'], once: true },
  { name: 'support suggest', args: ['support', 'suggest', 'rows.csv', '-o', 'out.csv'], outputs: ['out.csv'] },
  { name: 'decide train', args: ['decide', 'train', 'labels.csv', '-o', 'out.gguf'], outputs: ['out.gguf', 'out.card.md'] },
  { name: 'calibrate', args: ['calibrate', 'labels.csv', '-m', 'decide.gguf', '-o', 'out.json'], outputs: ['out.json'] },
  { name: 'evaluate', args: ['evaluate', 'model.gguf', '--task', 'ask=ask.jsonl', '--threads', '1', '--max-tokens', '8', '--calibrate', 'out.json', '--report', 'out.html', '--journal', 'out.journal'], outputs: ['out.json', 'out.html', 'out.journal'] },
  { name: 'batch', args: ['batch', 'rows.csv', '-o', 'out.csv', '-m', 'support.gguf'], again: ['--resume'], outputs: ['out.csv'], kept: ['out.csv.journal'] },
  { name: 'batch to a workbook', args: ['batch', 'rows.csv', '-o', 'out.xlsx', '-m', 'support.gguf'], again: ['--resume'], outputs: ['out.xlsx'], kept: ['out.xlsx.journal'] },
  { name: 'sign --new-key', args: ['sign', '--new-key', 'out.key'], outputs: ['out.key'], once: true },
  { name: 'sign a file', args: ['sign', 'corpus.txt', '--key', 'sign.key', '-o', 'out.intoto.json'], outputs: ['out.intoto.json'] },
  { name: 'sign a model', args: ['sign', 'model.gguf', '--key', 'sign.key', '-o', 'out.gguf'], outputs: ['out.gguf'] },
  { name: 'pull', args: ['pull', 'URL'], outputs: ['cache'] },
]; // biome-ignore format: a table

/** Why the output at `path` is not whole; undefined where it is, or where none is there. */
export async function flawOf(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return undefined;
  if (found.isDirectory()) return undefined;
  const bytes = readFileSync(path);
  const text = () => bytes.toString('utf8');
  try {
    if (path.endsWith('.gguf')) {
      const { tensors } = await readGguf(memorySource(bytes));
      return tensors.size >= 0 ? undefined : 'no tensors';
    }
    if (path.endsWith('.json') || path.endsWith('.key')) JSON.parse(text());
    if (path.endsWith('.html') && !text().trimEnd().endsWith('</html>')) return 'cut off';
    if (path.endsWith('.csv') && text().split('\n').length !== 82) return `${text().split('\n').length} lines`;
    if (path.endsWith('.xlsx') && bytes.indexOf('PK\x05\x06') < 0) return 'cut off';
    if (path.endsWith('.safetensors')) {
      const head = Number(bytes.readBigUInt64LE(0));
      const ends = Object.values(JSON.parse(bytes.toString('utf8', 8, 8 + head))).map(
        (tensor) => tensor.data_offsets?.[1] ?? 0,
      );
      if (bytes.length !== 8 + head + Math.max(0, ...ends)) return 'cut off';
    }
    if (bytes.length === 0) return 'empty';
  } catch (error) {
    return String(error?.message ?? error);
  }
  return undefined;
}
