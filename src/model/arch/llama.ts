// LLaMA and its relatives, Falcon-E among them. Source: arXiv 2302.13971; GGUF files hold q and k permuted for the interleaved pairing.
import type { Architecture } from '../architecture.ts';
import { attentionBlock, feedForwardBlock } from '../blocks.ts';

export const llama: Architecture = {
  name: 'llama',
  ropePairing: 'interleaved',
  frequencyFactors: true,
  blocks: [attentionBlock(), feedForwardBlock()],
};
