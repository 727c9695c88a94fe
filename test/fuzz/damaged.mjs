// Owns damage to files that carry a checksum: as a disk or a cut-off download does it, and with the checksum made to fit again, so that what stands
// behind it is reached too.

/** `bytes` changed in one of the ways that happen: bits, a stretch of one byte, the end cut off or repeated, two stretches exchanged. */
export function damage(bytes, random) {
  const copy = bytes.slice();
  const place = () => (random.below(2) === 0 ? random.below(Math.min(400, copy.length)) : random.below(copy.length));
  switch (random.below(5)) {
    case 0:
      for (let i = 0; i <= random.below(3); i++) copy[place()] ^= 1 << random.below(8);
      return copy;
    case 1: {
      const at = place();
      return copy.fill([0, 0x7e, 0xff][random.below(3)], at, at + 1 + random.below(600));
    }
    case 2:
      return copy.slice(0, place());
    case 3:
      return new Uint8Array([...copy, ...copy.subarray(0, 1 + random.below(64))]);
    default: {
      const length = 1 + random.below(32);
      const [from, to] = [place(), place()];
      copy.set(bytes.subarray(from, Math.min(from + length, from + copy.length - to)), to);
      return copy;
    }
  }
}

/**
 * Damages `bytes` `cases` times and lets `use` read the result.
 * @param {object} options
 * @param {Uint8Array} options.bytes
 * @param {Function} options.Random
 * @param {number} options.seed a finding is repeated with its seed and `first` set to its number, `cases` to 1
 * @param {(bytes: Uint8Array) => Promise<unknown>} options.use reads the file and uses it
 * @param {(error: unknown) => boolean} options.isTyped
 * @param {(bytes: Uint8Array) => Uint8Array} [options.sign] makes the checksum fit; without it every damaged file must be refused
 * @returns {Promise<{ refused: number, accepted: number, findings: string[] }>}
 */
export async function fuzzDamaged({ bytes, Random, seed, cases, first = 0, use, isTyped, sign }) {
  const findings = [];
  let [refused, accepted] = [0, 0];
  for (let index = first; index < first + cases; index++) {
    const broken = damage(bytes, new Random(seed * 1e6 + index));
    if (!sign && broken.length === bytes.length && broken.every((byte, i) => byte === bytes[i])) continue;
    try {
      await use(sign ? sign(broken) : broken);
      accepted++;
      if (!sign) findings.push(`seed ${seed}, case ${index}: accepted although it is damaged`);
    } catch (error) {
      refused++;
      if (!isTyped(error)) findings.push(`seed ${seed}, case ${index}: ${error?.stack ?? error}`);
    }
  }
  return { refused, accepted, findings };
}
