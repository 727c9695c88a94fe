// Owns what the tools of `onebit mcp` have in common: the form of texts, and answers as assistants read them. Must not know tools.
import { z } from 'zod';
import { OnebitError } from '../errors.ts';

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

/** An answer in both forms that assistants read; what the caller did wrong is told to the assistant. */
export async function answered(answer: () => Promise<Record<string, unknown>>): Promise<ToolAnswer> {
  try {
    const structuredContent = await answer();
    return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
  } catch (error) {
    if (!(error instanceof OnebitError)) throw error;
    return { content: [{ type: 'text', text: error.message }], isError: true };
  }
}
