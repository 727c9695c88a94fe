// Owns what the tools of `onebit mcp` have in common: the form of texts, and answers as assistants read them. Must not know tools.
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import type { ServerNotification, ServerRequest } from '@modelcontextprotocol/sdk/types.js';
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

/** What the SDK says of a call. */
type CallExtra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/** Where tools are registered, and how they answer. */
export interface Tools {
  readonly server: McpServer;
  /** An answer in both forms that assistants read, by the operator's rules; what the caller did wrong is told to the assistant. */
  answered(
    tool: string,
    asked: object,
    extra: CallExtra,
    answer: (call: Call) => Promise<Record<string, unknown>>,
  ): Promise<ToolAnswer>;
  /** Tells an assistant that asked for it how far a call is, so that it goes on waiting. */
  progressed(extra: CallExtra, done: number, total: number): Promise<void>;
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
    progressed: async ({ _meta, sendNotification }, progress, total) => {
      const progressToken = _meta?.progressToken;
      if (progressToken === undefined) return;
      const params = { progressToken, progress, total };
      await sendNotification({ method: 'notifications/progress', params }).catch(() => {}); // nobody listens any more
    },
  };
}
