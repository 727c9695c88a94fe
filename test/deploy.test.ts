// What deploy/ promises: manifests that Kubernetes takes and that fit the program, and the container file's steps done by hand in an empty folder.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Deployment } from 'kubernetes-models/apps/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { Service } from 'kubernetes-models/v1';
import { afterAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { openApiDocument } from '../src/server/openapi.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const [deployment, service, budget] = parseAllDocuments(read('deploy/kubernetes.yaml')).map((one) => one.toJS());
const pod = deployment.spec.template.spec;
const [container] = pod.containers;
const containerfile = read('deploy/Containerfile');
const entrypoint: string[] = JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(containerfile)![1]);

describe('the manifests', () => {
  test('are what Kubernetes takes', () => {
    for (const one of [new Deployment(deployment), new Service(service), new PodDisruptionBudget(budget)])
      one.validate();
    expect(() => new Deployment({ ...deployment, spec: { ...deployment.spec, replicas: 'two' } }).validate()).toThrow();
  });

  test('fit each other, the container file and the server', () => {
    const { labels } = deployment.spec.template.metadata;
    for (const selector of [
      deployment.spec.selector.matchLabels,
      service.spec.selector,
      budget.spec.selector.matchLabels,
    ])
      expect(labels).toMatchObject(selector);
    const [port] = container.ports;
    expect(service.spec.ports[0].targetPort).toBe(port.name);
    expect(containerfile).toContain(`EXPOSE ${port.containerPort}`);
    expect(entrypoint[entrypoint.indexOf('--port') + 1]).toBe(String(port.containerPort));
    const { paths } = openApiDocument() as { paths: object };
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'])
      expect(Object.keys(paths)).toContain(container[probe].httpGet.path);
    expect(container.args).toContain('--open-metrics'); // Prometheus, which the annotations call, has no key
    const drain = Number(container.args[container.args.indexOf('--drain') + 1]);
    const stopping = Number(container.lifecycle.preStop.exec.command[1]);
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(drain + stopping);
    const mounted = container.volumeMounts.map(({ name }: { name: string }) => name);
    expect(pod.volumes.map(({ name }: { name: string }) => name)).toEqual(mounted);
  });
});

describe('the container file, by hand', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onebit-container-'));
  let child: ChildProcess | undefined;
  afterAll(() => {
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });
  const npm = (...args: string[]) => execFileSync('npm', args, { cwd: folder, stdio: 'pipe', timeout: 240_000 });

  test('installs the packed package alone, answers the probes, drains at SIGTERM', async (context) => {
    try {
      npm('ping', '--fetch-timeout=5000', '--fetch-retries=0');
    } catch {
      context.skip('the npm registry cannot be reached');
    }
    const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
      cwd: root,
    });
    const [{ filename }] = JSON.parse(packed.toString());
    npm('init', '-y');
    npm('install', '--omit=dev', '--no-audit', '--no-fund', '--prefer-offline', join(folder, filename));
    const program = entrypoint[1].replace('/app', folder);
    const args = [program, ...entrypoint.slice(2), ...container.args.slice(0, 4), '--port', '0'];
    child = spawn(process.execPath, args, { cwd: folder, env: { PATH: process.env.PATH, ONEBIT_API_KEY: 'k' } });
    const ended = new Promise((resolve) => child!.on('close', resolve));
    let said = '';
    const port = await new Promise((resolve) => {
      child!.stderr!.on('data', (chunk) => {
        said += chunk;
        const found = /listening on http:\/\/0\.0\.0\.0:(\d+)/.exec(said);
        if (found) resolve(found[1]);
      });
      void ended.then(resolve);
    });
    const url = `http://127.0.0.1:${port}`;
    const status = async (path: string) => (await fetch(url + path)).status;
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'])
      expect(await status(container[probe].httpGet.path)).toBe(200);
    const ask = (max_tokens: number) =>
      fetch(`${url}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: 'Bearer k' },
        body: JSON.stringify({ prompt: 'Hello', max_tokens, ignore_eos: true, stream: true }),
      });
    const answer = await ask(400);
    child.kill('SIGTERM');
    while ((await status('/ready').catch(() => 503)) !== 503);
    expect(await answer.text()).toMatch(/"finish_reason":"length".*data: \[DONE\]\n\n$/s);
    expect(await ended).toBe(0);
  }, 300_000);
});
