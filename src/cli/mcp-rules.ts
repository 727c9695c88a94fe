// Owns how the tools of `onebit mcp` answer under the operator's rules: its mark, its policy, its audit log. What those do: server/. Must not know tools.
import { OnebitError } from '../errors.ts';
import type { GenerateOptions } from '../generate/options.ts';
import type { LanguageModel } from '../language-model.ts';
import { type OperatorFlags, openOperator } from './operator-flags.ts';

/** A call of a tool, as what answers it sees it. */
export interface Call {
  /** A model's options for the answer, as the operator lets it. */
  allowed(options: GenerateOptions): GenerateOptions;
  /** What the model wrote, for the policy. */
  readonly answers: string[];
  readonly signal: AbortSignal;
}

/** Answers a call. @throws OnebitError where the operator's rules refuse it */
export type Answerer = (
  tool: string,
  asked: object,
  signal: AbortSignal,
  answer: (call: Call) => Promise<Record<string, unknown>>,
) => Promise<Record<string, unknown>>;

/** Without an operator's rules. */
export const plainly: Answerer = (_tool, _asked, signal, answer) =>
  answer({ allowed: (options) => ({ ...options, signal }), answers: [], signal });

/** By the rules of `flags`. `close` at the end. */
export async function openRules(
  flags: OperatorFlags,
  language: LanguageModel | undefined,
): Promise<{ answerer: Answerer; close(): Promise<void> }> {
  const { watermark, policy, audit } = flags;
  if (watermark === undefined && policy === undefined && audit === undefined) {
    return { answerer: plainly, close: async () => {} };
  }
  const { OnebitServer } = await import('../server/app.ts');
  const { loadedShelf, ModelShelf } = await import('../server/model-shelf.ts');
  const operator = await openOperator(flags);
  const shelf = language ? loadedShelf(language) : new ModelShelf([], { mayBeEmpty: true });
  const server = new OnebitServer(shelf, operator.options);
  const answerer: Answerer = async (tool, asked, signal, answer) => {
    const { status, body } = await server.answerCall(`mcp/${tool}`, asked, signal, answer);
    if (status !== 200) throw new OnebitError('bad-argument', (body as Error).message);
    return body as Record<string, unknown>;
  };
  return { answerer, close: operator.close };
}
