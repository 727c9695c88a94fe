// Owns the list of architectures that the engine runs.
import type { Architecture } from '../architecture.ts';
import { bitnets } from './bitnet.ts';
import { ernie4_5 } from './ernie4-5.ts';
import { gemma3 } from './gemma3.ts';
import { llama } from './llama.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';

/** Every architecture the engine runs. */
export const architectures: readonly Architecture[] = [llama, ernie4_5, gemma3, qwen2, qwen3, ...bitnets];
