// Owns the stages that damaged GGUF files go through. A later stage is added here, with the functions it needs in `project`.

/**
 * @param {{ memorySource: Function, readGguf: Function, formatByName: Function, load: Function }} project
 * @param {'reference' | 'wasm'} backend What runs the models that are accepted.
 * @returns {import('./fuzz.mjs').Consumer[]}
 */
export function ggufConsumers({ memorySource, readGguf, formatByName, load }, backend) {
  return [
    { name: 'read', consume: (bytes) => readGguf(memorySource(bytes, 'fuzz')) },
    { name: 'places', consume: (bytes, { read }) => checkPlaces(bytes, read) },
    { name: 'decode', consume: (bytes, { read }) => decodeFirstRows(bytes, read, formatByName) },
    { name: 'run', consume: (bytes) => runModel(bytes, load, backend) },
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

/** Loads the model, tokenizes, renders a chat, takes two steps: whatever the weights and the vocabulary became, with typed errors only. */
async function runModel(bytes, load, backend) {
  const model = await load(bytes, { backend, threads: 1 });
  try {
    await model.generate('Hello <|im_end|>', { temperature: 0, maxTokens: 2, logprobs: 1 }).result();
    await model.chat([{ role: 'user', content: 'Hi' }], { maxTokens: 1, seed: 1, repeatPenalty: 1.1 }).result();
  } finally {
    await model.dispose();
  }
}
