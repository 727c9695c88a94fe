// Owns the GGUF that training gives: the model, its tokenizer, its chat template. Must not know where the bytes go.
import { CHATML } from '../chat/chatml.ts';
import { MADE_BY, MADE_BY_KEY, TRAINING_KEY, type WritableValue } from '../gguf/write.ts';
import { ggufAdapter } from '../hf/adapter.ts';
import { exportedFile } from './exported.ts';
import { shapeArchitecture } from './shape.ts';
import type { TokenizerMetadata } from './start-model.ts';
import type { Trainer } from './trainer-types.ts';

/** The bytes of the trained model's file, or of the adapter's where only that was trained. @param training how it was made */
export async function modelFile(
  trainer: Trainer,
  name: string,
  tokenizer: TokenizerMetadata,
  training: object,
): Promise<Uint8Array> {
  const exported = await trainer.exportModel();
  if (exported.adapter) {
    const { heads, kvHeads } = trainer.shape;
    const model = { architecture: shapeArchitecture(trainer.shape).name, heads, kvHeads };
    const { metadata, tensors } = ggufAdapter(exported.adapter, model, name);
    metadata.set(MADE_BY_KEY, MADE_BY).set(TRAINING_KEY, JSON.stringify(training));
    return exportedFile({ metadata, tensors });
  }
  const metadata = new Map<string, WritableValue>([
    ...exported.metadata,
    ['general.name', name],
    [MADE_BY_KEY, MADE_BY],
    [TRAINING_KEY, JSON.stringify(training)],
    ...tokenizer,
  ]);
  if (!metadata.has('tokenizer.chat_template')) metadata.set('tokenizer.chat_template', CHATML);
  return exportedFile({ metadata, tensors: exported.tensors });
}
