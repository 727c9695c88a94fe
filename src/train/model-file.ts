// Owns the GGUF that training gives: the model, its tokenizer, its chat template. Must not know where the bytes go.
import { CHATML } from '../chat/template.ts';
import { type WritableValue, writeGguf } from '../gguf/write.ts';
import type { TokenizerMetadata } from './start-model.ts';
import type { Trainer } from './trainer-types.ts';

/** The bytes of the trained model's file. */
export async function modelFile(trainer: Trainer, name: string, tokenizer: TokenizerMetadata): Promise<Uint8Array> {
  const exported = await trainer.exportModel();
  const metadata = new Map<string, WritableValue>([...exported.metadata, ['general.name', name], ...tokenizer]);
  if (!metadata.has('tokenizer.chat_template')) metadata.set('tokenizer.chat_template', CHATML);
  const parts: Uint8Array[] = [];
  let size = 0;
  await writeGguf({ metadata, tensors: exported.tensors }, (bytes) => {
    parts.push(bytes.slice());
    size += bytes.length;
  });
  const file = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}
