// Gemma 3, text only: norms before and after each block, embeddings scaled by √width, layers that see a window beside such that see all.
// Source: Gemma 3 technical report (arXiv 2503.19786); llama.cpp's loader for keys and what they mean where they are missing.
import type { Architecture } from '../architecture.ts';
import { attentionBlock, feedForwardBlock } from '../blocks.ts';
import { readLocalLayers, WINDOW_KEY } from '../local-layers.ts';

/** Layers of the 27B model, whose queries are scaled by width / heads and not by the size of a head; no file says so. */
const LARGEST_LAYERS = 62;

export const gemma3: Architecture = {
  name: 'gemma3',
  ropePairing: 'half',
  keys: [WINDOW_KEY, 'attention.sliding_window_pattern', 'rope.freq_base_swa'],
  inputNorms: true,
  usualWindow: 512,
  activation: () => 'gelu',
  traits: ({ layers, width, heads }, keys) => ({
    embeddingScale: Math.fround(Math.sqrt(width)),
    ...(layers === LARGEST_LAYERS ? { attentionScale: 1 / Math.sqrt(Math.floor(width / heads)) } : {}),
    local: readLocalLayers(keys, layers, { pattern: 6, base: 10_000 }),
  }),
  blocks: [
    attentionBlock({ qkNorm: true, postNorm: 'post_attention_norm' }),
    feedForwardBlock({ postNorm: 'post_ffw_norm' }),
  ],
};
