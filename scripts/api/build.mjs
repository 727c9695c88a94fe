// `npm run api`: the API reference from doc comments, into dist/site/api/. Fails when a public signature names a type that is not exported.
import { fileURLToPath } from 'node:url';
import { Application } from 'typedoc';

const path = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

export async function buildReference() {
  const app = await Application.bootstrapWithPlugins({
    name: 'onebit',
    entryPoints: [
      'index',
      'browser',
      'bytes/index',
      'gguf/index',
      'quant/index',
      'tokenizer/index',
      'server/index',
      'server/node-adapter',
      'ai-sdk/index',
    ].map((name) => path(`src/${name}.ts`)),
    tsconfig: path('tsconfig.json'),
    readme: path('docs/library.md'),
    out: path('dist/site/api'),
    excludeInternal: true,
    excludePrivate: true,
    disableGit: true,
    sourceLinkTemplate: 'https://github.com/onebit-js/onebit/blob/main/{path}#L{line}',
    basePath: path(''),
    validation: { notExported: true, invalidLink: true, notDocumented: false },
    logLevel: 'Warn',
    skipErrorChecking: true, // `npm run check` does that
    githubPages: false,
    hideGenerator: true,
  });
  const project = await app.convert();
  if (!project) throw new Error('api: the sources must compile. Run: npm run check');
  app.validate(project);
  await app.generateDocs(project, path('dist/site/api'));
  return app.logger.warningCount + app.logger.errorCount === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = (await buildReference()) ? 0 : 1;
