// `npm run sbom`: what the published package is made of, in CycloneDX (https://cyclonedx.org), into dist/sbom.cdx.json: its dependencies by npm, and what its
// bundles hold besides.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const args = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=library', '--workspaces=false'];
const whole = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8', maxBuffer: 64e6 }));
// Of what npm lists, what the package's own dependencies reach: with --omit npm leaves out those that are also somebody's peers.
const wanted = new Set(Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).dependencies));
const reached = new Set();
const visit = (ref) => {
  if (reached.has(ref)) return;
  reached.add(ref);
  for (const next of whole.dependencies.find((entry) => entry.ref === ref)?.dependsOn ?? []) visit(next);
};
for (const { name, 'bom-ref': ref, properties = [] } of whole.components) {
  if (wanted.has(name) && !properties.some((property) => property.name.endsWith(':development'))) visit(ref);
}
const own = whole.metadata.component['bom-ref'];
const components = whole.components.filter((component) => reached.has(component['bom-ref']));
const dependencies = whole.dependencies
  .filter(({ ref }) => ref === own || reached.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((next) => reached.has(next)) }));
const document = JSON.stringify({ ...whole, components, dependencies }, null, 2);
const path = join(root, 'dist/sbom.cdx.json');
writeFileSync(path, document);
console.log(`${path}: ${components.map(({ name, version }) => `${name} ${version}`).join(', ')}`);
