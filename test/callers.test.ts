// Callers who err, in JavaScript: every public function says which argument is wrong, by an OnebitError.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { journalPath } from '../src/bulk/batch.ts';
import { removeModel } from '../src/bytes/browser-store.ts';
import { httpSource } from '../src/bytes/http-source.ts';
import {
  calibrationError,
  compileJsonObject,
  compileRegex,
  compileRegexAsync,
  compileSchema,
  compileSchemaAsync,
  compileToolCalls,
  compileToolCallsAsync,
  evaluateSupport,
  judgeRows,
  type LanguageModel,
  load,
  loadSupport,
  OneBitModel,
  OnebitError,
  parseCorpus,
  parseQueries,
  parseRows,
  readQueries,
  readRows,
  routeQuery,
  type Session,
  SupportModel,
  saveSupport,
  summarise,
  supportReport,
  train,
  trainSupport,
  updateSupport,
} from '../src/index.ts';
import { encodeHeader, sealAnswer } from '../src/provenance/index.ts';
import { Caller } from '../src/remote/caller.ts';
import type { RemoteModelInfo } from '../src/remote/protocol.ts';
import { loadInWorker, outlineModel, pullModel, WorkerModel } from '../src/remote/worker-model.ts';
import { resumeTraining, trainInWorker } from '../src/remote/worker-training.ts';
import { OnebitServer } from '../src/server/app.ts';
import { policyEndpoint } from '../src/server/policy.ts';
import { createTokenizer } from '../src/tokenizer/index.ts';
import { removeTraining } from '../src/train/browser-runs.ts';

let model: LanguageModel;
let session: Session;
let support: SupportModel;
let worker: WorkerModel;
beforeAll(async () => {
  model = await load(undefined, { backend: 'wasm', threads: 1, contextTokens: 256 });
  session = model.session();
  support = new SupportModel({
    facts: { threshold: 0.5, name: 'x' },
    intents: [],
    answers: new Map(),
    examples: [{}],
  } as Any);
  // What the page checks never gets to the worker; what gets there is checked by the same functions as here.
  const caller = new Caller({ postMessage: (message) => void structuredClone(message), onmessage: null });
  worker = new WorkerModel({ caller, end: () => {} }, {} as RemoteModelInfo);
});
afterAll(() => model.dispose());

// biome-ignore lint/suspicious/noExplicitAny: what TypeScript would refuse is the matter here
type Any = any;
const hi = { role: 'user', content: 'Hi' };

async function errorOf(run: () => unknown): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
}

const WRONG: [name: string, run: () => unknown, message: RegExp][] = [
  ['load a number', () => load(5 as Any), /load: input must be/],
  ['load nothing', () => load(null as Any), /load: input must be/],
  ['load an unknown option', () => load(undefined, { thread: 2 } as Any), /'thread'. Did you mean 'threads'/],
  ['load text for threads', () => load(undefined, { threads: '2' } as Any), /threads must be a number, got '2'/],
  ['load an unknown backend', () => load(undefined, { backend: 'gpu' } as Any), /backend must be one of/],
  ['load with null', () => load(undefined, null as Any), /options must be an object, got null/],
  ['messages as text', () => model.chat('hi' as Any), /messages must be a list, got 'hi'/],
  ['a message as text', () => model.chat(['hi'] as Any), /messages\[0\] must be an object/],
  ['no role', () => model.chat([{ content: 'x' }] as Any), /messages\[0\]\.role must be one of/],
  ['an unknown role', () => model.chat([{ role: 'bot', content: 'x' }] as Any), /role must be one of .*got 'bot'/],
  ['no content', () => model.chat([{ role: 'user' }] as Any), /messages\[0\]\.content must be a text/],
  ['content as an object', () => model.chat([{ role: 'user', content: { a: 1 } }] as Any), /content must be a text/],
  [
    'an image',
    () => model.chat([{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] as Any),
    /got 'image_url'/,
  ],
  [
    'a part without text',
    () => model.chat([{ role: 'user', content: [{ type: 'text' }] }] as Any),
    /content\[0\]\.text must be a text/,
  ],
  [
    'a field of another API',
    () => model.chat([{ role: 'assistant', content: '', tool_calls: [] }] as Any),
    /messages\[0\].*'tool_calls'. Did you mean 'toolCalls'/,
  ],
  [
    'calls with objects',
    () => model.chat([{ role: 'assistant', content: '', toolCalls: [{ name: 'f', arguments: {} }] }] as Any),
    /toolCalls\[0\].*arguments must be a text/,
  ],
  ['an option of another API', () => model.chat([hi] as Any, { max_tokens: 5 } as Any), /Did you mean 'maxTokens'/],
  ['tools as an object', () => model.chat([hi] as Any, { tools: {} } as Any), /tools must be a list/],
  ['a number to generate from', () => model.generate(5 as Any), /generate: prompt must be a text or token ids, got 5/],
  ['nothing to generate from', () => model.generate(undefined as Any), /prompt must be/],
  ['tokens that are none', () => model.generate(['a'] as Any), /prompt\[0\] must be a token id/],
  [
    'a constraint that is none',
    () => model.generate('a', { constraint: 'json' } as Any),
    /constraint must be an object/,
  ],
  ['a bias that is none', () => model.generate('a', { logitBias: 5 } as Any), /logitBias must be/],
  ['a signal that is none', () => model.generate('a', { signal: {} } as Any), /signal must be an AbortSignal/],
  ['text as a temperature', () => model.generate('a', { temperature: '0' } as Any), /temperature must be a number/],
  [
    'an unknown overflow',
    () => model.generate('a', { overflow: 'wrap' } as Any),
    /overflow must be one of stop, slide/,
  ],
  ['a session that is none', () => model.generateIn({} as Any, 'a'), /session must be one that session\(\) gave/],
  ['options of a session', () => model.session({ ownr: 'x' } as Any), /Did you mean 'owner'/],
  ['nothing to score', () => model.score(undefined as Any), /score: the document must be/],
  ['documents as text', () => model.scoreDocuments('text' as Any), /documents must be a list/],
  ['a number to embed', () => model.embed(5 as Any), /embed: input must be/],
  ['a number to attend to', () => model.attention(5 as Any), /attention: text must be a text/],
  ['nothing to tokenize', () => model.tokenize(undefined as Any), /tokenize: text must be a text/],
  ['text to detokenize', () => model.detokenize('text' as Any), /detokenize: tokens must be/],
  ['messages of a prompt', () => model.prompt('x' as Any), /prompt: messages must be a list/],
  ['options of a prompt', () => model.prompt([hi] as Any, { think: true } as Any), /Did you mean 'thinking'/],
  [
    'a tokenizer that is none',
    () => compileSchema({}, 'tokenizer' as Any),
    /compileSchema: tokenizer must be that of a model/,
  ],
  ['a pattern that is none', () => compileRegex(/a/ as Any, model.tokenizer), /compileRegex: pattern must be a text/],
  ['tools that are none', () => compileToolCalls({} as Any, model.tokenizer), /compileToolCalls: tools must be a list/],
  ['options of a schema', () => compileSchema({}, model.tokenizer, { before: 'x' } as Any), /got 'before'/],
  ['nothing to train on', () => train({} as Any).next(), /train: documents must be a list/],
  ['options of training', () => train({ documents: [], step: 5 } as Any).next(), /got 'step'/],
  ['a model of steps', () => new OneBitModel({ step: 5 } as Any), /Did you mean 'steps'/],
  ['a bias as OpenAI has it', () => model.generate('a', { logitBias: { 5: -100 } } as Any), /logitBias must be a Map/],
  [
    'a bias on texts',
    () => model.generate('a', { logitBias: new Map([['a', 1]]) } as Any),
    /logitBias must be a Map of token/,
  ],
  [
    'an object as a number',
    () => model.generate('a', { topK: Object.create(null) } as Any),
    /topK must be a whole number/,
  ],
  ['a symbol as a seed', () => model.chat([hi] as Any, { seed: Symbol('s') } as Any), /seed must be a finite number/],
  ['a bigint as a length', () => model.chat([hi] as Any, { maxTokens: 5n } as Any), /maxTokens must be a whole number/],
  [
    'a tool without a name',
    () => model.chat([hi] as Any, { tools: [{ type: 'function' }] } as Any),
    /tools\[0\] must be/,
  ],
  ['a tool that is a list', () => model.prompt([hi] as Any, { tools: [[]] } as Any), /prompt: tools\[0\] must be/],
  ['a text to watch', () => model.watchWatermark(5 as Any, { key: 'a secret key' }).next(), /pieces must be/],
  [
    'a number of a form',
    () => compileRegex('5', model.tokenizer).accepts(5 as Any),
    /accepts: text must be a text, got 5/,
  ],
  ['no request', () => new OnebitServer(model).fetch('/' as Any), /fetch: request must be/],
  ['no address', () => httpSource(Symbol('s') as Any), /httpSource: address must be a text/],
  ['no address of a policy', () => policyEndpoint(Symbol('s') as Any), /policyEndpoint: url must be a text/],
  ['no output', () => journalPath({} as Any), /journalPath: output must be a text/],
  ['no envelope', () => encodeHeader({} as Any), /encodeHeader: envelope must be a text/],
  [
    'a key that is none',
    () => sealAnswer('a', {} as Any, {} as Any),
    /sealAnswer: key must be one that readSigningKey gave/,
  ],
  ['a number to learn', () => new OneBitModel().train(5 as Any), /train: text must be a text, got 5/],
  ['a number to predict from', () => new OneBitModel().predict(5 as Any), /predict: words must be a text/],
];

describe('is refused by the name of the argument', () => {
  test.each(WRONG)('%s', async (_name, run, message) => {
    const error = await errorOf(run);
    expect(error).toBeInstanceOf(OnebitError);
    expect(error).toMatchObject({ code: 'bad-argument' });
    expect((error as Error).message).toMatch(message);
  });
});

/** What no argument may be, whatever it is for. */
const NEVER: readonly unknown[] = [
  null,
  5,
  true,
  Number.NaN,
  Symbol('x'),
  () => {},
  { a: 1 },
  [null],
  [{}],
  new Date(0),
  undefined,
];
/** Whose first argument may be left out. */
const WITHOUT = ['load', 'loadInWorker', 'outlineModel'];
type Call = (...args: Any[]) => unknown;

/** Public functions, arguments that are right, and for each argument what else it may be of NEVER: none where it is left out. */
function publicFunctions(): Record<
  string,
  [call: Call, args: readonly unknown[], may?: Record<number, (value: Any) => boolean>]
> {
  const bytes = new Uint8Array(4);
  const { tokenizer } = model;
  const rows = [{ text: 'a', intent: 'b' }];
  const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  const anything = () => true;
  return {
    load: [load, ['none.gguf', {}]],
    train: [(options) => train(options).next(), [{ documents: [{ text: 'a' }] }]],
    parseCorpus: [parseCorpus, ['c.txt', bytes, {}]],
    compileSchema: [compileSchema, [{}, tokenizer, {}], { 0: anything }],
    compileSchemaAsync: [compileSchemaAsync, [{}, tokenizer, {}], { 0: anything }],
    compileJsonObject: [compileJsonObject, [tokenizer, {}]],
    compileRegex: [compileRegex, ['a', tokenizer, {}]],
    compileRegexAsync: [compileRegexAsync, ['a', tokenizer, {}]],
    compileToolCalls: [compileToolCalls, [[], tokenizer, {}]],
    compileToolCallsAsync: [compileToolCallsAsync, [[], tokenizer, {}]],
    createTokenizer: [createTokenizer, [model.metadata]],
    OneBitModel: [(options) => new OneBitModel(options), [{}]],
    'OneBitModel.train': [(...args) => new OneBitModel().train(...(args as [string])), ['a', {}]],
    'OneBitModel.predict': [(words) => new OneBitModel().predict(words), ['a']],
    'OneBitModel.generate': [(...args) => new OneBitModel().generate(...(args as [string])), ['a', {}]],
    generate: [(...args) => model.generate(...(args as [string])), ['a', {}]],
    chat: [(...args) => model.chat(...(args as [[]])), [[hi], {}]],
    prompt: [(...args) => model.prompt(...(args as [[]])), [[hi], {}]],
    chatPrompt: [(...args) => model.chatPrompt(...(args as [[]])), [[hi], {}]],
    chatPromptAsync: [(...args) => model.chatPromptAsync(...(args as [[], Any])), [[hi], {}], { 1: () => false }],
    fittingPrompt: [(...args) => model.fittingPrompt(...(args as [[]])), [[hi], {}]],
    score: [(...args) => model.score(...(args as [string])), ['a', {}]],
    scoreDocuments: [(...args) => model.scoreDocuments(...(args as [[]])), [['a'], {}]],
    tokenLogprobs: [(...args) => model.tokenLogprobs(...(args as [[]])), [[1], {}]],
    embed: [(...args) => model.embed(...(args as [string])), ['a', {}]],
    attention: [(...args) => model.attention(...(args as [string])), ['a', {}]],
    tokenize: [(...args) => model.tokenize(...(args as [string])), ['a', {}]],
    detokenize: [(tokens) => model.detokenize(tokens), [[1]]],
    session: [(options) => model.session(options), [{}]],
    generateIn: [(...args) => model.generateIn(...(args as [Session, string])), [session, 'a', {}]],
    'session.commonPrefix': [(tokens) => session.commonPrefix(tokens), [[1]]],
    'session.truncate': [(length) => session.truncate(length), [0], { 0: (value) => value === 5 }],
    'session.generate': [
      (...args) => session.generate(...(args as [[]])).next(),
      [[1], {}, () => {}],
      { 2: (value) => typeof value === 'function' },
    ],
    'session.score': [(...args) => session.score(...(args as [[]])), [[1], new AbortController().signal]],
    'session.rank': [(...args) => session.rank(...(args as [[], number])), [[1], 1], { 1: (value) => value === 5 }],
    'session.restore': [(bytes) => session.restore(bytes), [bytes]],
    'tokenizer.encode': [(...args) => tokenizer.encode(...(args as [string])), ['a', {}]],
    'tokenizer.encodeAsync': [(...args) => tokenizer.encodeAsync(...(args as [string])), ['a', {}]],
    'tokenizer.decode': [(...args) => tokenizer.decode(...(args as [[]])), [[1], {}]],
    'tokenizer.decoder': [(options) => tokenizer.decoder(options), [{}]],
    'tokenizer.bytesOf': [(token) => tokenizer.bytesOf(token), [1], { 0: (value) => value === 5 }],
    'tokenizer.tokenId': [(text) => tokenizer.tokenId(text), ['a']],
    'tokenizer.isSpecial': [(token) => tokenizer.isSpecial(token), [1], { 0: (value) => value === 5 }],
    'tokenizer.isUnused': [(token) => tokenizer.isUnused(token), [1], { 0: (value) => value === 5 }],
    trainSupport: [trainSupport, [rows, {}]],
    updateSupport: [updateSupport, [support, rows, {}]],
    loadSupport: [loadSupport, ['none.gguf', {}]],
    saveSupport: [saveSupport, [support]],
    routeQuery: [routeQuery, [support, 'a', {}]],
    'support.predict': [(...args) => support.predict(...(args as [string])), ['a', {}]],
    judgeRows: [judgeRows, [support, rows, {}]],
    evaluateSupport: [evaluateSupport, [support, rows, {}]],
    summarise: [summarise, [[], 1], { 1: (value) => value === 5 }],
    calibrationError: [calibrationError, [[], 1], { 1: (value) => value === 5 }],
    supportReport: [supportReport, [support, [], {}]],
    readRows: [readRows, [bytes, 'a.csv']],
    readQueries: [readQueries, [bytes, 'a.csv']],
    parseRows: [parseRows, ['text,intent', 'a.csv']],
    parseQueries: [parseQueries, ['text', 'a.csv']],
    loadInWorker: [loadInWorker, ['a/b', {}]],
    outlineModel: [outlineModel, ['a/b', {}]],
    pullModel: [pullModel, ['a/b', {}]],
    trainInWorker: [trainInWorker, [{ documents: [] }]],
    resumeTraining: [resumeTraining, ['a']],
    removeModel: [removeModel, ['a']],
    removeTraining: [removeTraining, ['a']],
    'worker.chat': [
      (...args) => worker.chat(...(args as [[]])).result(),
      [[hi], {}],
      { 0: Array.isArray, 1: isObject },
    ],
    'worker.generate': [(...args) => worker.generate(...(args as [string])).result(), ['a', {}], { 1: isObject }],
    'worker.score': [(...args) => worker.score(...(args as [string])), ['a', {}]],
    'worker.attention': [(...args) => worker.attention(...(args as [string])), ['a', {}]],
    'worker.tokenize': [(text) => worker.tokenize(text), ['a']],
    'worker.speed': [(...args) => worker.speed(...(args as [Any])), [{ promptTokens: 1, genTokens: 1, runs: 1 }, {}]],
  };
}

test('every argument of every public function is refused by name where it is of a wrong kind', async () => {
  const wrongly: string[] = [];
  for (const [name, [call, args, may = {}]] of Object.entries(publicFunctions())) {
    for (let i = 0; i < args.length; i++) {
      for (const value of NEVER) {
        if (may[i]?.(value)) continue;
        if (value === undefined && (i > 0 || isOptions(args[i]) || WITHOUT.includes(name))) continue;
        // An empty list of options has no unknown ones
        if (value instanceof Date && isOptions(args[i])) continue;
        const given = args.map((arg, k) => (k === i ? value : arg));
        const error = await errorOf(() => call(...given));
        if (
          error instanceof OnebitError &&
          error.code === 'bad-argument' &&
          !/\[object|undefined \(reading/.test(error.message)
        )
          continue;
        wrongly.push(`${name}, argument ${i} = ${String(value)} (${typeof value}): ${String(error)}`);
      }
    }
  }
  expect(wrongly).toEqual([]);
});

/** All that users can import, by the subpath. */
const SUBPATHS: Record<string, () => Promise<object>> = {
  onebit: () => import('../src/index.ts'),
  browser: () => import('../src/browser.ts'),
  bytes: () => import('../src/bytes/index.ts'),
  gguf: () => import('../src/gguf/index.ts'),
  quant: () => import('../src/quant/index.ts'),
  tokenizer: () => import('../src/tokenizer/index.ts'),
  server: () => import('../src/server/index.ts'),
  'server/node': () => import('../src/server/node-adapter.ts'),
  'ai-sdk': () => import('../src/ai-sdk/index.ts'),
  support: () => import('../src/tasks/support/index.ts'),
  batch: () => import('../src/bulk/index.ts'),
};
const WRONGLY = [[], [null], [5], [{}], [[null]], ['x'], [{}, {}], [null, null, null], [new Date(0)]];
/** Which are made of nothing, or of anything: an error and its text, a model of a text. */
const FREE = ['OnebitError', 'OneBitModel'];

test.each(Object.entries(SUBPATHS))('nothing of %s fails from inside, what comes later neither', async (_, module) => {
  const failing: string[] = [];
  for (const [name, value] of Object.entries(await module())) {
    if (typeof value !== 'function' || WITHOUT.includes(name)) continue;
    const isClass = /^class\b/.test(String(value));
    for (const args of WRONGLY) {
      const error = await errorOf(async () => (isClass ? new value(...args) : (value as Call)(...args)));
      const isFine = error instanceof OnebitError || (error === undefined && (!isClass || FREE.includes(name)));
      if (!isFine) failing.push(`${name}(${JSON.stringify(args)}): ${error}`);
    }
  }
  expect(failing).toEqual([]);
});

const isOptions = (value: unknown) => typeof value === 'object' && value !== null && Object.keys(value).length === 0;

test('what cannot go to a worker is refused by its name', async () => {
  const error = await errorOf(() => worker.chat([hi] as Any, { variables: { now: () => 5 } } as Any).result());
  expect(error).toMatchObject({ code: 'bad-argument', message: expect.stringMatching(/now must be plain data/) });
});

test('content in parts is read as the text that it is', () => {
  const parts = [{ type: 'text', text: 'Book ' } as const, { type: 'text', text: 'a table' } as const];
  const whole = model.prompt([{ role: 'user', content: 'Book a table' }]);
  expect(model.prompt([{ role: 'user', content: parts }])).toBe(whole);
  expect(whole).toContain('Book a table');
});

describe('a conversation longer than the context', () => {
  const turns = Array.from({ length: 60 }, (_, i) => [
    { role: 'user' as const, content: `Question ${i} about the ferry` },
    { role: 'assistant' as const, content: `Answer ${i} about the ferry` },
  ]).flat();
  const messages = [
    { role: 'system' as const, content: 'Be brief.' },
    ...turns,
    { role: 'user' as const, content: 'And now?' },
  ];

  test('goes on without its oldest turns', async () => {
    const tokens = model.fittingPrompt(messages);
    const text = model.tokenizer.decode(tokens, { special: true });
    expect(tokens.length).toBeLessThan(256);
    expect(tokens.length).toBeGreaterThan(100);
    for (const kept of ['Be brief.', 'And now?', 'Question 59', 'Answer 59']) expect(text).toContain(kept);
    for (const gone of ['Question 0 ', 'Question 30 ']) expect(text).not.toContain(gone);
    const result = await model.chat(messages, { maxTokens: 4 }).result();
    expect(result.text).toBeTypeOf('string');
  });

  test('is refused where all is to be kept, and where the last turn alone is too long', async () => {
    expect(await errorOf(() => model.chat(messages, { keepAll: true }).result())).toMatchObject({
      code: 'bad-argument',
    });
    const long = [{ role: 'user' as const, content: 'word '.repeat(100_000) }];
    expect(await errorOf(() => model.chat(long).result())).toMatchObject({ code: 'bad-argument' });
  });
});
