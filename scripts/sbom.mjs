// `npm run sbom`: what the published package is made of, in CycloneDX (https://cyclonedx.org), into dist/sbom.cdx.json: its dependencies by npm, and what its
// bundles hold besides.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const args = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=library', '--omit=dev', '--omit=optional', '--omit=peer'];
const document = execFileSync('npm', args, { cwd: root, encoding: 'utf8', maxBuffer: 64e6 });
const path = join(root, 'dist/sbom.cdx.json');
writeFileSync(path, document);
const { components } = JSON.parse(document);
console.log(`${path}: ${components.map(({ name, version }) => `${name} ${version}`).join(', ')}`);
