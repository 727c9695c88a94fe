// Which of two texts does the model find more natural? node examples/03-score.mjs MODEL.gguf
import { load } from 'onebit';

const model = await load(process.argv[2]);
for (const text of ['The girl went to the park.', 'Park the went girl to the.']) {
  const { bitsPerByte } = await model.score(text);
  console.log(`${bitsPerByte.toFixed(3)} bits per byte: ${text}`);
}
await model.dispose();
