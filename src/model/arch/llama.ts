// LLaMA and its relatives. Source: arXiv 2302.13971; GGUF files hold q and k permuted for the interleaved pairing.
import type { Architecture } from '../architecture.ts';

export const llama: Architecture = { name: 'llama', ropePairing: 'interleaved', qkNorm: false };
