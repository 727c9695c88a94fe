// Owns the stages that damaged GGUF files go through. A later stage is added here, with the functions it needs in `project`.

/**
 * @param {{ memorySource: Function, readGguf: Function, formatByName: Function }} project
 * @returns {import('./fuzz.mjs').Consumer[]}
 */
export function ggufConsumers({ memorySource, readGguf, formatByName }) {
  return [
    { name: 'read', consume: (bytes) => readGguf(memorySource(bytes, 'fuzz')) },
    { name: 'places', consume: (bytes, { read }) => checkPlaces(bytes, read) },
    { name: 'decode', consume: (bytes, { read }) => decodeFirstRows(bytes, read, formatByName) },
  ];
}

/** What an accepted header promises: tensors inside the file, apart from each other, aligned, of the size their shape asks for. */
function checkPlaces(bytes, gguf) {
  let end = gguf.dataOffsetBytes;
  for (const tensor of [...gguf.tensors.values()].sort((a, b) => a.offsetBytes - b.offsetBytes)) {
    const { name, offsetBytes, sizeBytes } = tensor;
    if (!(offsetBytes >= end)) throw new Error(`${name} at ${offsetBytes} begins before ${end}`);
    if (offsetBytes % gguf.alignment !== 0) throw new Error(`${name} at ${offsetBytes} is not aligned`);
    if (!(sizeBytes > 0)) throw new Error(`${name} has ${sizeBytes} bytes`);
    end = offsetBytes + sizeBytes;
  }
  if (gguf.tensors.size > 0 && end > bytes.length) throw new Error(`tensors end at ${end} of ${bytes.length}`);
}

/** Whatever was accepted must decode: a refusal here comes too late, so that it counts as a finding. */
function decodeFirstRows(bytes, gguf, formatByName) {
  for (const { name, format, shape, offsetBytes, sizeBytes } of gguf.tensors.values()) {
    try {
      formatByName(format).decode(bytes.subarray(offsetBytes, offsetBytes + sizeBytes), new Float32Array(shape[0]));
    } catch (cause) {
      throw new Error(`${name} was accepted and does not decode: ${cause}`, { cause });
    }
  }
}
