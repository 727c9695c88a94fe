// Owns the operation codes of training and the block sizes both sides know; TypeScript and AssemblyScript at once, as opcodes.ts.

export const OP_PACK = 64;
export const OP_GEMM = 65;

/** Rows of C that a thread computes at a time, a multiple of six; with GEMM_K_BLOCK its packed A takes 96 KB of the second cache. */
export const GEMM_M_BLOCK = 96;
/** Elements of k summed before C is touched again. */
export const GEMM_K_BLOCK = 256;
