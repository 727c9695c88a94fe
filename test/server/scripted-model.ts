// Owns a model for tests that says what it is told to, in place of what random weights say: everything else of it is real.
import { type Constraint, type LanguageModel, load } from '../../src/index.ts';
import { tinyModel } from '../tiny-model.ts';

export interface ScriptedModel {
  readonly model: LanguageModel;
  /** What the next answers are, one each; afterwards the last one again. */
  say(...answers: string[]): void;
  /** The prompts so far, with their control tokens. */
  readonly prompts: string[];
}

/** A tiny model whose answers are forced by a constraint that allows one text and nothing else. */
export async function scriptedModel(chatTemplate?: string): Promise<ScriptedModel> {
  const bytes = await tinyModel({ contextLength: 2048, chatTemplate });
  const model = await load(bytes, { backend: 'wasm', threads: 1, kvTokens: 16_384 });
  const prompts: string[] = [];
  let script: string[] = [''];
  const generate = model.generate.bind(model);
  model.generate = (prompt, options = {}) => {
    prompts.push(model.tokenizer.decode(prompt as Int32Array, { special: true }));
    const answer = script.length > 1 ? script.shift()! : script[0];
    return generate(prompt, { ...options, constraint: exactly(answer, model) });
  };
  const say = (...answers: string[]) => {
    script = answers;
  };
  return { model, prompts, say };
}

/** Allows one text and nothing else. */
function exactly(text: string, model: LanguageModel): Constraint {
  const tokens = [...model.tokenizer.encode(text), model.tokenizer.eos!];
  return {
    matcher: () => {
      let at = 0;
      return {
        mask: () => {
          const mask = new Uint32Array(Math.ceil(model.config.vocabulary / 32));
          mask[tokens[at] >> 5] |= 1 << (tokens[at] & 31);
          return mask;
        },
        accept: () => {
          at++;
        },
        get isComplete() {
          return at === tokens.length - 1;
        },
        isFinished: false,
      };
    },
  };
}
