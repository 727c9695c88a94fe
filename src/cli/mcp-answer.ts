// Owns what the tools of `onebit mcp` have in common: the form of texts, and answers as assistants read them. Must not know tools.
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';
import { OnebitError } from '../errors.ts';
import type { Answerer, Call } from './mcp-rules.ts';

interface ToolAnswer {
  [field: string]: unknown;
  readonly content: { readonly type: 'text'; readonly text: string }[];
  readonly structuredContent?: Record<string, unknown>;
  readonly isError?: boolean;
}

const MOST_TEXTS = 1000;
const LONGEST = 20_000;
export const text = z.string().max(LONGEST);
export const texts = z.array(text).min(1).max(MOST_TEXTS);

/** Where tools are registered, and how they answer. */
export interface Tools {
  readonly server: McpServer;
  /** An answer in both forms that assistants read, by the operator's rules; what the caller did wrong is told to the assistant. */
  answered(
    tool: string,
    asked: object,
    extra: { readonly signal: AbortSignal },
    answer: (call: Call) => Promise<Record<string, unknown>>,
  ): Promise<ToolAnswer>;
}

/** @param signal ends all calls */
export function toolsOf(server: McpServer, answerer: Answerer, signal: AbortSignal): Tools {
  return {
    server,
    answered: async (tool, asked, extra, answer) => {
      try {
        const structuredContent = await answerer(tool, asked, AbortSignal.any([signal, extra.signal]), answer);
        return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
      } catch (error) {
        if (!(error instanceof OnebitError)) throw error;
        return { content: [{ type: 'text', text: error.message }], isError: true };
      }
    },
  };
}
