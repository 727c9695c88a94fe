// The official JSON Schema test suite: which of its required tests are answered right, for drafts 7 and 2020-12.
// node bench/structured/test-suite.mjs DIR      (DIR: a checkout of github.com/json-schema-org/JSON-Schema-Test-Suite)
// A grammar is narrower than a schema on purpose, so valid instances may be rejected; invalid ones must never be accepted.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileSchema } from '../../dist/structured/compile.js';
import { tokenizer } from './tokenizer.mjs';

for (const draft of ['draft2020-12', 'draft7']) {
  const counts = { tests: 0, acceptedValid: 0, rejectedInvalid: 0, narrower: 0, falseAccepts: 0, refusedTests: 0 };
  const refused = new Map();
  const folder = join(process.argv[2], 'tests', draft);
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
    for (const { description, schema, tests } of JSON.parse(readFileSync(join(folder, file), 'utf8'))) {
      counts.tests += tests.length;
      let grammar;
      try {
        grammar = compileSchema(schema, tokenizer);
      } catch (error) {
        if (error?.name !== 'OnebitError') console.log('CRASH', file, description, error);
        // Where nothing satisfies the schema, all instances are rejected, and rightly.
        if (/some text must satisfy/.test(error.message)) {
          for (const { valid } of tests) counts[valid ? 'narrower' : 'rejectedInvalid']++;
          continue;
        }
        counts.refusedTests += tests.length;
        refused.set(file, (refused.get(file) ?? 0) + 1);
        if (process.env.VERBOSE) console.log('refused', file, description, error.message);
        continue;
      }
      for (const test of tests) {
        const accepted = grammar.accepts(JSON.stringify(test.data));
        if (accepted && !test.valid) console.log('FALSE ACCEPT', draft, file, '|', description, '|', test.description);
        counts[
          test.valid ? (accepted ? 'acceptedValid' : 'narrower') : accepted ? 'falseAccepts' : 'rejectedInvalid'
        ]++;
        if (process.env.VERBOSE && test.valid && !accepted)
          console.log('narrower', file, '|', description, '|', test.description);
      }
    }
  }
  console.log(draft, JSON.stringify(counts));
  console.log('refused schemas:', [...refused].map(([file, count]) => `${file} ${count}`).join(', '));
}
