// Qwen3, the architecture of 1-bit Bonsai and of the models that onebit trains. Source: arXiv 2505.09388.
import type { Architecture } from '../architecture.ts';
import { attentionBlock, feedForwardBlock } from '../blocks.ts';

export const qwen3: Architecture = {
  name: 'qwen3',
  ropePairing: 'half',
  inputNorms: true,
  blocks: [attentionBlock({ qkNorm: true }), feedForwardBlock()],
};
