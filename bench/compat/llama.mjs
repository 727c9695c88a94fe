// Runs llama.cpp's own tests of its server against this server: node bench/compat/llama.mjs --suite DIR --model FILE [--files a,b]
// DIR is the folder tools/server/tests of a checkout of the public repository ggml-org/llama.cpp; FILE its stories260K.gguf, for which many of them know
// the answers. Needs python3 with pytest and requests. Writes bench/compat/results/llama.json.
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeResults } from './results.mjs';

const FILES =
  'tokenize,compat_anthropic,chat_completion,compat_oai_responses,embedding,security,basic,template,ctx_shift,completion';
const { values } = parseArgs({
  options: {
    suite: { type: 'string' },
    model: { type: 'string' },
    files: { type: 'string', default: FILES },
    port: { type: 'string', default: '18431' },
  },
});
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const work = here('../../.cache/compat/llama');
rmSync(work, { recursive: true, force: true });
cpSync(values.suite, work, { recursive: true });
/** Theirs loads models that are not needed here first. */
writeFileSync(
  `${work}/conftest.py`,
  `import pytest
from utils import *

@pytest.fixture(autouse=True)
def stop_server_after_each_test():
    yield
    for server in set(server_instances):
        server.stop()
`,
);
const env = {
  ...process.env,
  PORT: values.port,
  ONEBIT_COMPAT_MODEL: resolve(values.model),
  LLAMA_SERVER_BIN_PATH: here('./llama-server.mjs'),
  PYTHONPATH: here('./python'),
};
const files = values.files.split(',').map((name) => `unit/test_${name}.py`);
const args = ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', '--junitxml=out.xml', ...files];
spawnSync('python3', args, { cwd: work, env, stdio: ['ignore', 'ignore', 'inherit'] });
const xml = readFileSync(`${work}/out.xml`, 'utf8');
const decoded = (text) =>
  text
    .replace(/&quot;/g, '"')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&#10;/g, ' ')
    .replace(/&amp;/g, '&');
const tests = [...xml.matchAll(/<testcase classname="([^"]*)" name="([^"]*)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs)]
  .filter(([, , , inner = '']) => !inner.includes('<skipped'))
  .map(([, file, name, inner = '']) => {
    const message = /<(?:failure|error) message="([^"]*)"/.exec(inner)?.[1];
    return {
      name: `${file.replace('unit.', '')} ${decoded(name)}`.slice(0, 160),
      passed: message === undefined,
      message: decoded(message ?? '').slice(0, 200),
    };
  });
writeResults('llama', tests);
