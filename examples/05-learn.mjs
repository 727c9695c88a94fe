// A 1-bit network that learns a page of text in some seconds, predicts words and goes on writing. Run: node examples/05-learn.mjs
import { OneBitModel } from 'onebit';

const text = `The sun rises in the east. The moon follows the sun. Every morning the baker opens the shop and sells warm bread.
Every evening the baker closes the shop and walks home. The cat sits in the window and watches the moon.`;

const model = new OneBitModel({ steps: 60 });
await model.train(text);
for (const words of ['warm', 'in the', 'the baker closes the']) {
  const likely = await model.predict(words);
  const shown = likely.slice(0, 3).map(({ word, probability }) => `${word} (${Math.round(100 * probability)} %)`);
  console.log(`${words} … ${shown.join(', ')}`);
}
console.log(`The moon${await model.generate('The moon', { temperature: 0, maxTokens: 8 })}`);
console.log(`${model.save().length} bytes as a GGUF file`);
await model.dispose();
