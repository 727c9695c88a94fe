// Owns the command record's layout and the operation codes, read by both sides: this file is TypeScript and AssemblyScript at once.
// A record is 16 words of 32 bits: word 0 the operation code, flag and chunks before it; 1 to 12 the operands; then items, grain and the shared chunk
// counter. A program is a header record and the commands that follow it.

export const RECORD_WORDS = 16;
export const RECORD_BYTES = 64;
export const WORD_ITEMS = 13;
/**
 * Items of a chunk, which one thread takes at a time; shifted by LONG_SHIFT: how many times as long the first chunk of each thread is, so that most of
 * a large command is read in the order of its addresses and its end still goes to whoever is free.
 */
export const WORD_GRAIN = 14;
export const LONG_SHIFT = 24;
export const GRAIN_MASK = 0xffffff;
export const WORD_COUNTER = 15;

export const CODE_MASK = 255;
/** In word 0: all commands before this one must be done. */
export const FLAG_BARRIER = 256;
/** In word 0: the items are in lanes, so many each as word 12 says, and the counter has eight bits for each lane. */
export const FLAG_LANES = 512;
export const WORD_LANE_ITEMS = 12;
/** Most lanes: four counters fit a word. */
export const MOST_LANES = 4;
/** Word 0 shifted right by this is the number of chunks of all commands before it in the program. */
export const BEFORE_SHIFT = 10;

/** Words of a program's header: where it ends, chunks of all its commands, chunks done so far. */
export const HEADER_END = 1;
export const HEADER_CHUNKS = 2;
export const HEADER_DONE = 3;

export const OP_NONE = 0;
export const OP_COPY = 1;
export const OP_RMS_NORM = 2;
export const OP_ROPE = 3;
export const OP_STORE_KV = 4;
export const OP_ATTENTION = 5;
export const OP_SWIGLU = 6;
export const OP_GATHER_ROWS = 7;
export const OP_SHIFT_KEYS = 8;
export const OP_TOP_CHUNKS = 9;
export const OP_TOP_MERGE = 10;
export const OP_EMBED = 11;
export const OP_REPACK = 12;
export const OP_PREPARE = 13;
export const OP_PRODUCT = 14;
export const OP_WIDEN = 15;
export const OP_PREPARE_MANY = 16;
export const OP_PRODUCT_MANY = 17;
export const OP_GATE_RELU2 = 18;
export const OP_GATE_GELU = 19;
export const OP_SCALE = 20;
export const OP_PRODUCT_MANY_Q2 = 21;

/** Element formats of a key/value pool. */
export const KV_F32 = 0;
export const KV_F16 = 1;
export const KV_Q8 = 2;

/** Kinds of weights in memory. Rows of the first four are as in the file, 1- and 2-bit weights are in tiles of 32 rows. */
export const WEIGHT_F32 = 0;
export const WEIGHT_F16 = 1;
export const WEIGHT_BF16 = 2;
export const WEIGHT_Q8 = 3;
export const WEIGHT_Q1 = 4;
export const WEIGHT_Q2 = 5;

/** Byte offsets in a repacking report: the first block with a bad scale (unsigned, all ones: none), and whether 2-bit codes need `general`. */
export const REPACK_BAD = 0;
export const REPACK_GENERAL = 4;
/** Scratch bytes of a thread that repacks. */
export const REPACK_SCRATCH = 1536;
/** Bytes of the look-up tables of 128 activations, and of 32 quantised activations (tables.ts, products-q8.ts). */
export const PREPARED_TABLES = 576;
export const PREPARED_Q8 = 80;
/** Bytes of the look-up tables of 128 activations of eight tokens, and where their steps are (tables-octet.ts). */
export const OCTET_BLOCK = 8256;
export const OCTET_STEPS = 8192;
/** Tiles that products with many tokens take together at most, and bytes that a thread needs meanwhile (products-q1-many.ts). */
export const PANEL_TILES = 64;
export const OCTET_SCRATCH = 16 * 8256 + 1024 + 128 + 64 + 64 * 32 * 64 + 2048;

/** Tokens of a key/value page (KV_PAGE of kernels/backend.ts, which AssemblyScript cannot import). */
export const PAGE_TOKENS = 32;
/** Pages that attention reads together. */
export const SPAN_PAGES = 4;

/** Logits of one chunk of top-k: fixed, so that results do not depend on the number of threads. */
export const TOP_CHUNK = 4096;
/** Bytes before a chunk's entries: entry count, largest value, sum of exp(value - largest), unused. */
export const TOP_HEAD_BYTES = 16;

/** Byte offsets in the control block, a cache line each; the last is a word per thread. */
export const CONTROL_GENERATION = 0;
export const CONTROL_IDLE = 64;
/** The header of the program that runs, or 0. */
export const CONTROL_PROGRAM = 128;
/** How many sleep until more chunks are done, and the word they sleep on. */
export const CONTROL_SLEEPERS = 192;
export const CONTROL_PROGRESS = 196;
export const CONTROL_POISON = 256;
export const CONTROL_QUIT = 320;
/** The program that each thread walks, or 0: its records must not be overwritten. */
export const CONTROL_WALKED = 384;
export const CONTROL_BYTES = 384 + 4 * 256;

/** What running a program returns. */
export const RUN_DONE = 0;
/** A thread did not arrive in time: look whether it lives, then resume. */
export const RUN_STALLED = 1;
/** A thread trapped, or the backend is shutting down. */
export const RUN_BROKEN = 2;
