// Owns the list of architectures that the engine runs.
import type { Architecture } from '../architecture.ts';
import { bitnets } from './bitnet.ts';
import { llama } from './llama.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';

/** Every architecture the engine runs. */
export const architectures: readonly Architecture[] = [llama, qwen2, qwen3, ...bitnets];
