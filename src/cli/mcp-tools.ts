// Owns the tools of `onebit mcp`: what models do, each with the form of its arguments and answers. Must not know how they are called.
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';
import { fillTemplate, templateColumns } from '../bulk/row-template.ts';
import { Budget } from '../core/budget.ts';
import { inParallel } from '../core/in-parallel.ts';
import { OnebitError } from '../errors.ts';
import type { LanguageModel } from '../language-model.ts';
import { compileSchemaAsync } from '../structured/compile.ts';
import type { SupportModel } from '../tasks/support/support-model.ts';
import { type Tools, text, texts, toolsOf } from './mcp-answer.ts';
import { addDecide, addFields, addSupportTools } from './mcp-judging.ts';
import type { Answerer, Call } from './mcp-rules.ts';

/** The models that tools ask, and by which rules. */
export interface McpModels {
  readonly answerer: Answerer;
  readonly language?: LanguageModel;
  readonly support?: SupportModel;
}

/** Texts of a batch that are asked at once: other calls come to their turn between them. */
const PARALLEL = 8;
/** What the schema of one call may cost. */
const COMPILING = { steps: 30e6, bytes: 64 << 20 };

const maxTokens = z.int().min(1).max(8192).optional().describe('Most tokens of an answer. Default 256');
/** A server with the tools that the models allow. Loads the SDK. */
export async function mcpServer({ language, support, answerer }: McpModels, signal: AbortSignal): Promise<McpServer> {
  const { McpServer: Server } = await import('@modelcontextprotocol/sdk/server/mcp.js');
  const server = new Server({ name: 'onebit', version: '1' });
  const tools = toolsOf(server, answerer, signal);
  if (support) addSupportTools(tools, support);
  addFields(tools, support);
  addDecide(tools, { language, support });
  if (language) addGenerate(tools, language);
  if (language) addBatch(tools, language);
  return server;
}

function addGenerate(tools: Tools, model: LanguageModel): void {
  tools.server.registerTool(
    'generate',
    {
      description:
        'Answers a prompt with a small model on this machine; with a JSON schema the answer is JSON of that schema.',
      inputSchema: { prompt: text, system: text.optional(), schema: schemaField, max_tokens: maxTokens },
      outputSchema: { text: z.string(), finish_reason: z.string() },
      annotations: { readOnlyHint: true },
    },
    async (asked, extra) =>
      tools.answered('generate', asked, extra, async (call) => (await asking(model, asked, call))(asked.prompt)),
  );
}

function addBatch(tools: Tools, model: LanguageModel): void {
  tools.server.registerTool(
    'batch',
    {
      description:
        'Asks the same about many texts: the prompt holds {{text}} where each of them goes. Answers come in the order of the texts.',
      inputSchema: { texts, prompt: text, system: text.optional(), schema: schemaField, max_tokens: maxTokens },
      outputSchema: { results: z.array(z.object({ text: z.string().optional(), error: z.string().optional() })) },
      annotations: { readOnlyHint: true },
    },
    async (asked, extra) =>
      tools.answered('batch', asked, extra, async (call) => {
        const { texts, prompt } = asked;
        const places = templateColumns(prompt);
        if (places.length !== 1 || places[0] !== 'text') {
          const found = places.length === 0 ? 'it does not' : `got {{${places.join('}}, {{')}}}`;
          throw new OnebitError(
            'bad-argument',
            `batch: the prompt must hold {{text}} and no other place, ${found}. Put it where the texts go.`,
          );
        }
        const ask = await asking(model, asked, call);
        const one = async (text: string) => {
          if (text.trim() === '') return { error: 'the text is empty' }; // nothing to ask about
          try {
            const { text: said, finish_reason } = await ask(fillTemplate(prompt, () => text));
            return finish_reason === 'length' ? { text: said, error: 'the answer was cut off' } : { text: said };
          } catch (error) {
            call.signal.throwIfAborted();
            if (error instanceof OnebitError) return { error: error.message };
            throw error;
          }
        };
        const results: Awaited<ReturnType<typeof one>>[] = [];
        let done = 0;
        const answer = async (text: string, i: number) => {
          results[i] = await one(text);
          await tools.progressed(extra, ++done, texts.length);
        };
        await answer(texts[0], 0); // alone: the others find what is computed of the beginning
        const others = async function* () {
          yield* [...texts.entries()].slice(1);
        };
        await inParallel(others, PARALLEL, ([i, text]) => answer(text, i), call.signal);
        return { results };
      }),
  );
}

const schemaField = z.record(z.string(), z.unknown()).optional().describe('A JSON schema that the answer must be of');

interface Asking {
  readonly system?: string;
  readonly schema?: unknown;
  readonly max_tokens?: number;
}

/** A function that asks one thing; the schema is compiled once. */
async function asking(model: LanguageModel, { system, schema, max_tokens }: Asking, call: Call) {
  const budget = new Budget({ ...COMPILING, signal: call.signal });
  const constraint = schema === undefined ? undefined : await compileSchemaAsync(schema, model.tokenizer, { budget });
  const before = system === undefined ? [] : [{ role: 'system' as const, content: system }];
  return async (prompt: string) => {
    const messages = [...before, { role: 'user' as const, content: prompt }];
    const options = { ...call.allowed({ maxTokens: max_tokens, constraint }), keepAll: true };
    const { text, finishReason } = await model.chat(messages, options).result();
    call.answers.push(text);
    return { text, finish_reason: finishReason };
  };
}
