// ERNIE 4.5, the dense models (0.3B): LLaMA's blocks. Source: ERNIE 4.5's technical report (2025); llama.cpp's loader.
import type { Architecture } from '../architecture.ts';
import { attentionBlock, feedForwardBlock } from '../blocks.ts';

export const ernie4_5: Architecture = {
  name: 'ernie4_5',
  ropePairing: 'interleaved',
  blocks: [attentionBlock(), feedForwardBlock()],
};
