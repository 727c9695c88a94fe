// Owns how far a share that was counted may be from the true one. Must not know what is counted.

/** The 95 % interval of a share. Source: Wilson 1927. */
export function wilson(count: number, all: number): [number, number] {
  if (all === 0) return [0, 1];
  const z = 1.96;
  const share = count / all;
  const middle = share + (z * z) / (2 * all);
  const spread = z * Math.sqrt((share * (1 - share)) / all + (z * z) / (4 * all * all));
  const scale = 1 + (z * z) / all;
  return [Math.max(0, (middle - spread) / scale), Math.min(1, (middle + spread) / scale)];
}
