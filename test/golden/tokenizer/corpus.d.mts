// Types of corpus.mjs, which plain Node runs as it stands.
export const texts: Record<string, string>;
export const specialTexts: Record<string, string>;
export const brokenBytes: Record<string, string>;
export const longTexts: Record<string, () => string>;
export const codePointBlocks: number[];
export function codePointText(block: number): string;
export function hashTokens(tokens: Iterable<number>): string;
export function smallVocabulary(): { tokens: string[]; scores: Float32Array; types: Int32Array };
export function qwenVocabulary(json: unknown): { tokens: string[]; types: Int32Array; merges: string[] };
export const splitTexts: string[];
export function splitVocabulary(): { tokens: string[]; types: Int32Array; merges: string[] };
