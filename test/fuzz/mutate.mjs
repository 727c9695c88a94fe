// Owns damaging valid GGUF files: flipped, cut, spliced bytes, and edits aimed at the fields that hold lengths, counts, types and offsets.
// Finds those fields with a small parser of its own, which knows only valid files.

const SCALAR_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

/**
 * The places of all numbers that steer parsing.
 * @param {Uint8Array} bytes a valid file
 * @returns {{ offset: number, size: number }[]}
 */
export function findFields(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields = [];
  let at = 4;
  const field = (size) => {
    fields.push({ offset: at, size });
    const value = size === 8 ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true);
    at += size;
    return value;
  };
  const string = () => {
    const length = field(8);
    at += length;
  };
  const value = (type) => {
    if (type === 8) string();
    else if (type === 9) {
      const element = field(4);
      const count = field(8);
      for (let i = 0; i < count; i++) value(element);
    } else {
      fields.push({ offset: at, size: SCALAR_BYTES[type] });
      at += SCALAR_BYTES[type];
    }
  };
  field(4);
  const tensors = field(8);
  const entries = field(8);
  for (let i = 0; i < entries; i++) {
    string();
    value(field(4));
  }
  for (let i = 0; i < tensors; i++) {
    string();
    const dimensions = field(4);
    for (let d = 0; d < dimensions; d++) field(8);
    field(4);
    field(8);
  }
  fields.headerEnd = at;
  return fields;
}

/** Values at which sizes and types are likely to break something. */
const NASTY = [0n, 1n, 2n, 5n, 9n, 31n, 36n, 41n, 42n, 63n, 127n, 255n, 65535n, 65536n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n,
  2n ** 32n, 2n ** 40n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]; // biome-ignore format: a table

function editField(bytes, field, random) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (field.offset + field.size > bytes.length) return;
  let old = 0n;
  for (let i = field.size - 1; i >= 0; i--) old = (old << 8n) | BigInt(bytes[field.offset + i]);
  const choices = [
    () => NASTY[random.below(NASTY.length)],
    () => old + BigInt(random.below(5) - 2),
    () => old * 2n,
    () => BigInt(bytes.length) - BigInt(random.below(64)),
    () => BigInt(random.uint32()),
    () => old ^ (1n << BigInt(random.below(8 * field.size))),
  ];
  let value = BigInt.asUintN(8 * field.size, choices[random.below(choices.length)]());
  for (let i = 0; i < field.size; i++, value >>= 8n) view.setUint8(field.offset + i, Number(value & 255n));
}

/** A position, in the header three times out of four: a damaged weight is still a weight. */
function place(bytes, fields, random) {
  const end = random.below(4) > 0 ? Math.min(fields.headerEnd, bytes.length) : bytes.length;
  return random.below(Math.max(end, 1));
}

function splice(bytes, start, removed, inserted) {
  const result = new Uint8Array(start + inserted.length + Math.max(0, bytes.length - start - removed));
  result.set(bytes.subarray(0, start));
  result.set(inserted, start);
  result.set(bytes.subarray(Math.min(bytes.length, start + removed)), start + inserted.length);
  return result;
}

const MUTATIONS = [
  function flipBits(bytes, { fields, random }) {
    for (let n = 1 + random.below(8); n > 0 && bytes.length > 0; n--)
      bytes[place(bytes, fields, random)] ^= 1 << random.below(8);
    return bytes;
  },
  function overwriteBytes(bytes, { fields, random }) {
    const start = place(bytes, fields, random);
    const end = Math.min(bytes.length, start + 1 + random.below(32));
    for (let i = start; i < end; i++) bytes[i] = random.below(256);
    return bytes;
  },
  function fillRange(bytes, { fields, random }) {
    const start = place(bytes, fields, random);
    return bytes.fill(random.below(2) * 255, start, start + 1 + random.below(64));
  },
  function cut(bytes, { fields, random }) {
    return bytes.slice(0, place(bytes, fields, random));
  },
  function remove(bytes, { fields, random }) {
    return splice(bytes, place(bytes, fields, random), 1 + random.below(64), new Uint8Array(0));
  },
  function spliceFrom(bytes, { fields, other, random }) {
    const from = random.below(other.length);
    const piece = other.subarray(from, from + 1 + random.below(512));
    return splice(bytes, place(bytes, fields, random), random.below(2) * piece.length, piece);
  },
  function editFields(bytes, { fields, random }) {
    for (let n = 1 + random.below(3); n > 0; n--) editField(bytes, fields[random.below(fields.length)], random);
    return bytes;
  },
];

/**
 * A damaged copy of `seed.bytes`: half of all cases are edits of one to three fields, the rest one to three mutations of any kind.
 * @param {{ bytes: Uint8Array, fields: ReturnType<typeof findFields> }} seed
 * @param {Uint8Array} other another valid file, to splice from
 */
export function mutate(seed, other, random) {
  const context = { fields: seed.fields, other, random };
  let bytes = seed.bytes.slice();
  if (random.below(2) === 0) return MUTATIONS[MUTATIONS.length - 1](bytes, context);
  for (let n = 1 + random.below(3); n > 0; n--) bytes = MUTATIONS[random.below(MUTATIONS.length)](bytes, context);
  return bytes;
}
