// Owns the list of architectures that the engine runs.
import type { Architecture } from '../architecture.ts';
import { llama } from './llama.ts';
import { qwen3 } from './qwen3.ts';

/** Every architecture the engine runs. */
export const architectures: readonly Architecture[] = [llama, qwen3];
