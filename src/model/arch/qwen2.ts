// Qwen2 and Qwen2.5: biases on queries, keys and values. Source: arXiv 2407.10671.
import type { Architecture } from '../architecture.ts';
import { attentionBlock, feedForwardBlock } from '../blocks.ts';

export const qwen2: Architecture = {
  name: 'qwen2',
  ropePairing: 'half',
  blocks: [attentionBlock({ biases: true }), feedForwardBlock()],
};
