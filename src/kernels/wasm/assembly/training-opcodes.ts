// Owns the operation codes of training and the block sizes both sides know; TypeScript and AssemblyScript at once, as opcodes.ts.

export const OP_PACK = 64;
export const OP_GEMM = 65;
export const OP_ZERO = 66;
export const OP_ROUND = 67;
export const OP_EMBED_BACKWARD = 68;
export const OP_NORM_BACKWARD = 69;
export const OP_ADD_ROWS = 70;
export const OP_ROTATE = 71;
export const OP_ATTEND = 72;
export const OP_ATTEND_BACKWARD = 73;
export const OP_GATED_BACKWARD = 74;
export const OP_CROSS_ENTROPY = 75;
export const OP_SUBTRACT_TEACHER = 76;
export const OP_SUMS_OF_SQUARES = 77;
export const OP_ADAM = 78;
export const OP_NESTEROV = 79;
export const OP_NORMALIZE = 80;
export const OP_ADD_SCALED = 81;
export const OP_PACK_FORWARD = 82;
export const OP_PACK_BACKWARD = 83;
export const OP_SIGN_PRODUCTS = 84;
export const OP_SIGN_PRODUCT_BACKWARD = 85;
export const OP_PACK_ROUNDED = 86;
export const OP_ROUNDED_PRODUCT = 87;

/** Rows of C that a thread computes at a time, a multiple of six; with GEMM_K_BLOCK its packed A takes 96 KB of the second cache. */
export const GEMM_M_BLOCK = 96;
/** Elements of k summed before C is touched again. */
export const GEMM_K_BLOCK = 256;
/** Bytes of one tile, in each thread's scratch. */
export const TILE_BYTES = 256;

/** Query rows that attention handles together, a multiple of six. */
export const ATTEND_ROWS = 48;

/** Rows whose contributions to the gradient of a norm's scale make one partial sum. */
export const NORM_ROWS = 64;

/** Elements of one item of elementwise commands. */
export const ELEMENT_BLOCK = 1024;
/** Elements of one partial sum of squares (SUM_CHUNK of kernels/training.ts). */
export const SQUARES_CHUNK = 8192;
/** Columns of one item of the embedding's gradient. */
export const EMBED_COLS = 16;

/** Activations of gates. */
export const GATE_SILU = 0;
export const GATE_RELU2 = 1;
export const GATE_GELU = 2;

/** Roundings. */
export const ROUND_BINARY = 0;
export const ROUND_TERNARY = 1;
export const ROUND_HALF = 2;

/** Tokens whose tables a thread has at a time. */
export const SIGN_TOKENS = 32;
/** Blocks of 128 outputs whose tables are built together in the backward direction, so that scratch does not grow with the vocabulary. */
export const SIGN_RANGE_BLOCKS = 8;

/** Rounded products that are summed exactly and share scales. */
export const ROUNDED_SUM = 256;
/** Rows of a block of a rounded product, a multiple of four; their packed factor takes 48 KB of the second cache. */
export const ROUNDED_ROWS = 96;
