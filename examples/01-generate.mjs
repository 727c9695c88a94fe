// Continue a text. node examples/01-generate.mjs MODEL.gguf
import { load } from 'onebit';

const model = await load(process.argv[2]);
for await (const piece of model.generate('Once upon a time', { maxTokens: 60, temperature: 0 })) {
  process.stdout.write(piece.text);
}
console.log();
await model.dispose();
