// Owns the bundlers: one cell each, without configuration of their own, as docs/bundlers.md tells people to use them.
import { cpSync } from 'node:fs';
import { answersAt, html, PAGE, serveFolder } from './page.mjs';
import { freePort } from './project.mjs';
import { NODE_PROGRAM } from './runtimes.mjs';

/** Asks the page in a folder; both answers must be what Node answers. */
async function expectFolder(folder, expected) {
  const { url, stop } = await serveFolder(folder);
  try {
    expectAnswers(await answersAt(url), expected);
  } finally {
    stop();
  }
}

function expectAnswers(answers, expected) {
  for (const [where, text] of Object.entries(answers)) {
    if (text !== expected) throw new Error(`in the ${where}: expected '${expected}', got '${text}'`);
  }
}

/** Bundlers that do not follow workers and files by themselves: the worker is a second entry, the embedded model is copied. */
function copyModel(project) {
  cpSync(project.path('node_modules/onebit/models'), project.path('public/models'), { recursive: true });
}

const vite = (major) => [
  {
    id: `vite-${major}-build`,
    name: `Vite ${major}, build`,
    packages: [`vite@${major}`],
    async run(project, expected) {
      project.write({ 'index.html': html('/page.js'), 'page.js': PAGE });
      project.bin('vite/bin/vite.js', ['build', '--logLevel', 'warn']);
      await expectFolder(project.path('dist'), expected);
    },
  },
  {
    id: `vite-${major}-dev`,
    name: `Vite ${major}, dev`,
    packages: [`vite@${major}`],
    async run(project, expected) {
      project.write({ 'index.html': html('/page.js'), 'page.js': PAGE });
      const port = await freePort();
      const args = ['--port', String(port), '--strictPort', '--host', '127.0.0.1', '--clearScreen', 'false'];
      const url = await project.serve('vite/bin/vite.js', args, `http://127.0.0.1:${port}/`);
      expectAnswers(await answersAt(url), expected);
    },
  },
];

export const bundlers = [
  ...vite(7),
  ...vite(8),
  {
    id: 'webpack-5',
    name: 'webpack 5',
    packages: ['webpack@5', 'webpack-cli'],
    async run(project, expected) {
      project.write({ 'src/index.js': PAGE, 'dist/index.html': html('main.js').replace(' type="module"', '') });
      project.bin('webpack-cli/bin/cli.js', ['--mode', 'production']);
      await expectFolder(project.path('dist'), expected);
    },
  },
  {
    id: 'rollup',
    name: 'Rollup 4',
    packages: ['rollup@4', '@rollup/plugin-node-resolve'],
    async run(project, expected) {
      project.write({ 'page.js': PAGE, 'public/index.html': html('/app/page.js') });
      const args = [
        'page.js',
        'onebit/engine-worker',
        '-d',
        'public/app',
        '-p',
        'node-resolve={browser:true}',
        '--silent',
      ];
      project.bin('rollup/dist/bin/rollup', args);
      copyModel(project);
      await expectFolder(project.path('public'), expected);
    },
  },
  {
    id: 'esbuild-browser',
    name: 'esbuild, browser',
    packages: ['esbuild'],
    async run(project, expected) {
      project.write({ 'page.js': PAGE, 'public/index.html': html('/app/page.js') });
      const entries = ['page=page.js', 'engine-worker=onebit/engine-worker'];
      const args = ['--bundle', '--format=esm', '--splitting', '--outdir=public/app', '--log-level=error'];
      project.bin('esbuild/bin/esbuild', [...entries, ...args]);
      copyModel(project);
      await expectFolder(project.path('public'), expected);
    },
  },
  ...['esm', 'cjs'].map((format) => ({
    id: `esbuild-node-${format}`,
    name: `esbuild, Node (${format})`,
    packages: ['esbuild'],
    async run(project, expected) {
      project.write({ 'index.js': NODE_PROGRAM });
      const out = `built/index.${format === 'esm' ? 'mjs' : 'cjs'}`;
      const args = ['--bundle', '--platform=node', `--format=${format}`, `--outfile=${out}`, '--log-level=error'];
      project.bin('esbuild/bin/esbuild', ['index.js', ...args]);
      const text = project.run(process.execPath, [out]);
      if (text !== expected) throw new Error(`expected '${expected}', got '${text}'`);
    },
  })),
  {
    id: 'next-15',
    name: 'Next 15: route handler, client component',
    packages: ['next@15', 'react@19', 'react-dom@19'],
    async run(project, expected) {
      const client = PAGE.replace(/\nmain\(\)[\s\S]*/, '');
      project.write({
        'app/layout.jsx': `export default function Layout({ children }) { return <html lang="en"><body>{children}</body></html>; }`,
        'app/page.jsx': `'use client';
          import { useEffect, useState } from 'react';
          ${client}
          export default function Page() {
            const [answers, setAnswers] = useState();
            useEffect(() => { main().then(setAnswers, (error) => setAnswers({ error: String(error.stack) })); }, []);
            useEffect(() => { if (answers) document.title = 'answers: ' + JSON.stringify(answers); }, [answers]);
            return <p>{answers?.page}</p>;
          }`,
        'app/chat/route.js': `import { load } from 'onebit';
          export const dynamic = 'force-dynamic';
          export async function GET() {
            const model = await load();
            const { text } = await model.chat([{ role: 'user', content: 'I need a taxi.' }], { temperature: 0, maxTokens: 24 }).result();
            await model.dispose();
            return new Response(text);
          }`,
      });
      const env = { NEXT_TELEMETRY_DISABLED: '1' };
      project.bin('next/dist/bin/next', ['build'], env);
      const port = await freePort();
      const url = `http://127.0.0.1:${port}/`;
      await project.serve('next/dist/bin/next', ['start', '-p', String(port), '-H', '127.0.0.1'], url, env);
      const answer = await fetch(`${url}chat`);
      expectAnswers({ 'route handler': await answer.text() }, expected);
      expectAnswers(await answersAt(url), expected);
    },
  },
];
