// Owns where the blocks of tiles of 32 rows lie in memory: tiles in pairs, columns in panels, pairs in lanes. Must not know what a block of 128 columns holds.
//
// Blocks of two tiles of a matrix lie in turn: block 0 of tile 0, block 0 of tile 1, block 1 of tile 0, and so on; a last odd tile's follow each
//   other. So a product reads 64 rows in the order of addresses while it needs the same tables for both tiles. Matrices of more than PANEL_BLOCKS blocks in
//   a row are cut into panels of so many columns, one after the other: the tables of a panel stay in the first-level cache while its tiles go by.
// The pairs of a large matrix may be cut into lanes of `lanePairs` (the last may have fewer), `gap` bytes from one to the next: a thread that takes
//   the same lane of each matrix then reads its weights as one stream (weights.ts of the host). A matrix in one piece has gap 0, lanePairs all pairs.

/** Blocks of 128 columns in a panel: 2,048 columns, whose tables take 9 KB. */
// @ts-ignore: decorator
@inline export const PANEL_BLOCKS: i32 = 16;

/** Bytes from the first tile to block `block` of tile `tile`, in a matrix of `tiles` tiles of `blocks` blocks of `bytes` bytes. */
// @ts-ignore: decorator
@inline export function blockAt(lanePairs: i32, gap: usize, tile: i32, block: i32, tiles: i32, blocks: i32, bytes: usize): usize {
  let lane: usize = 0;
  let pair = tile >> 1;
  for (; pair >= lanePairs; pair -= lanePairs) lane += gap;
  const first = block & ~(PANEL_BLOCKS - 1);
  const width = min(blocks - first, PANEL_BLOCKS);
  const at = 2 * (first * lanePairs + pair * width) + (tile & 1);
  return lane + <usize>at * bytes + <usize>(block - first) * tileStep(tile, tiles, bytes);
}

/** Pairs of `tiles` tiles. */
// @ts-ignore: decorator
@inline export function pairsOf(tiles: i32): i32 {
  return (tiles + 1) >> 1;
}

/** Bytes from a block of tile `tile` of `tiles` to its next in the panel. */
// @ts-ignore: decorator
@inline export function tileStep(tile: i32, tiles: i32, bytes: usize): usize {
  return (tile | 1) < tiles ? 2 * bytes : bytes;
}
