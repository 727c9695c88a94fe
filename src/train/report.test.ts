import { expect, test } from 'vitest';
import { presets, recipeFrom, shapeFrom } from './presets.ts';
import { htmlReport, RunRecord } from './report.ts';
import type { TrainProgress } from './train-options.ts';

const start: TrainProgress = {
  type: 'start',
  shape: shapeFrom(presets.tiny, {}),
  recipe: recipeFrom(presets.tiny, {}, 'binary'),
  parameters: 1000,
  steps: 300,
  batchTokens: 2048,
  seed: 7,
  documents: 3,
  validationDocuments: 1,
  corpusTokens: 100,
  bytesPerToken: 3.5,
  resumedSteps: 0,
};
const step = (n: number): TrainProgress => ({
  type: 'step',
  step: n,
  loss: 3,
  bitsPerByte: 2 - n / 10_000,
  gradientNorm: 1,
  learningRateFactor: 1,
  quantized: true,
  tokens: n,
  tokensPerSecond: 5,
  progress: 0.5,
  secondsLeft: 1,
});

test('a report shows curves, numbers and samples, loads nothing, and escapes text', () => {
  const record = new RunRecord();
  record.add(start);
  for (let n = 1; n <= 9000; n++) record.add(step(n));
  record.add({ type: 'evaluation', step: 0, bitsPerByte: 3, natsPerToken: 5, documents: 1, bytes: 10 });
  record.add({ type: 'sample', step: 5, prompt: '<b>&', text: '"</pre><script>' });
  const html = htmlReport(record, { title: 'a <model>', corpora: ['c.txt'] });
  expect(html.match(/<polyline/g)).toHaveLength(2);
  expect(html).not.toMatch(/<script|src=|href=|url\(/);
  expect(html).toContain('a &lt;model&gt;');
  expect(html).toContain('<b>&lt;b&gt;&amp;</b>&quot;&lt;/pre&gt;&lt;script&gt;');
  for (const text of ['c.txt', '<td>2048</td>', '<td>muon</td>', 'Still running']) expect(html).toContain(text);
  expect(record.losses.length).toBeLessThan(4001);
});

test('a run without updates has a report all the same', () => {
  expect(htmlReport(new RunRecord(), { title: 'empty', corpora: [] })).toContain('Too few updates');
});
