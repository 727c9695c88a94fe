// What deploy/ promises: manifests that Kubernetes takes and that fit the program, and the container file's steps done by hand in an empty folder.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Deployment } from 'kubernetes-models/apps/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { Service } from 'kubernetes-models/v1';
import { afterAll, describe, expect, test } from 'vitest';
import { parseAllDocuments, parseDocument } from 'yaml';
import { openApiDocument } from '../src/server/openapi.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const [deployment, service, replicas, budget] = parseAllDocuments(read('deploy/kubernetes.yaml')).map((one) =>
  one.toJS(),
);
const pod = deployment.spec.template.spec;
const [container] = pod.containers;
const containerfile = read('deploy/Containerfile');
const entrypoint: string[] = JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(containerfile)![1]);

describe('the manifests', () => {
  test('are what Kubernetes takes', () => {
    for (const one of [new Deployment(deployment), new PodDisruptionBudget(budget)]) one.validate();
    for (const one of [service, replicas]) new Service(one).validate();
    expect(() => new Deployment({ ...deployment, spec: { ...deployment.spec, replicas: 'two' } }).validate()).toThrow();
  });

  test('fit each other, the container file and the server', () => {
    const { labels } = deployment.spec.template.metadata;
    for (const selector of [
      deployment.spec.selector.matchLabels,
      service.spec.selector,
      replicas.spec.selector,
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

describe('workers', () => {
  const [worker, scaled, login] = parseAllDocuments(read('deploy/jobs.yaml')).map((one) => one.toJS());

  test('are a deployment that the program takes, scaled by a number that the server has', () => {
    new Deployment(worker).validate();
    const spec = worker.spec.template.spec;
    const [{ command, args, ports, livenessProbe, env }] = spec.containers;
    expect(command.slice(0, 2)).toEqual(entrypoint.slice(0, 2));
    const help = execFileSync(process.execPath, [join(root, 'bin/onebit.js'), command[2], '--help']).toString();
    for (const arg of args) expect(help).toContain(arg.split('=')[0]);
    expect(args).toContain(`--health-port=${ports[0].containerPort}`);
    expect(livenessProbe.httpGet.path).toBe('/health');
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(45);
    expect(env.map(({ name }: { name: string }) => name)).toContain('ONEBIT_REDIS_PASSWORD');
    expect(scaled.spec.scaleTargetRef.name).toBe(worker.metadata.name);
    const [{ metadata, authenticationRef }] = scaled.spec.triggers;
    expect(authenticationRef.name).toBe(login.metadata.name);
    // KEDA takes texts alone there, and these names of its trigger metrics-api.
    const known = ['url', 'valueLocation', 'targetValue', 'activationTargetValue', 'authMode'];
    for (const [name, value] of Object.entries(metadata))
      expect([known.includes(name), typeof value]).toEqual([true, 'string']);
    expect(login.spec.secretTargetRef[0].parameter).toBe('token');
    const { paths } = openApiDocument() as { paths: Record<string, { get: object }> };
    const answer = JSON.stringify(paths[new URL(metadata.url).pathname].get);
    expect(answer).toContain(`"${metadata.valueLocation}":{"type":"integer"`);
  });
});

// Envoy is not in Debian: deploy/envoy.yaml was read field by field against the protobuf files of Envoy's API by hand; here only what it says of others.
test('Envoy keeps conversations together by the same hint as nginx, over the replicas of the manifests', () => {
  const { listeners, clusters } = parseDocument(read('deploy/envoy.yaml')).toJS().static_resources;
  const [{ typed_config: http }] = listeners[0].filter_chains[0].filters;
  const [{ route }] = http.route_config.virtual_hosts[0].routes;
  const [cluster] = clusters;
  expect(route.cluster).toBe(cluster.name);
  const hashed = route.hash_policy.map((one: { header?: { header_name: string } }) => one.header?.header_name);
  expect(hashed).toEqual(['x-onebit-affinity', 'authorization', 'x-api-key', undefined]);
  for (const header of hashed.slice(0, 3))
    expect(read('deploy/nginx.conf')).toContain(`$http_${header.replaceAll('-', '_')}`);
  expect(['RING_HASH', 'MAGLEV']).toContain(cluster.lb_policy);
  const { address, port_value } = cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address;
  expect([address, port_value]).toEqual([replicas.metadata.name, replicas.spec.ports[0].port]);
  expect(replicas.spec.clusterIP).toBe('None');
  const { paths } = openApiDocument() as { paths: object };
  expect(Object.keys(paths)).toContain(cluster.health_checks[0].http_health_check.path);
});

/** Whether there is an nginx here; where not: why its test is skipped. */
function missingNginx(): string | undefined {
  try {
    execFileSync('nginx', ['-v'], { stdio: 'pipe' });
    return undefined;
  } catch {
    return 'nginx is not installed: apt-get install nginx-light';
  }
}

const missing = missingNginx();
describe.skipIf(missing)(`nginx${missing ? `: skipped, ${missing}` : ''}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'onebit-nginx-'));
  const replicas: Server[] = [];
  let nginx: ChildProcess | undefined;
  afterAll(() => {
    nginx?.kill('SIGKILL');
    for (const replica of replicas) replica.close();
    rmSync(folder, { recursive: true });
  });

  test('brings a conversation to the same replica each time, and when one goes, moves its conversations alone', async () => {
    for (let i = 0; i < 3; i++) {
      const replica = createServer(({ url }, response) => {
        if (url === '/v1/batches') response.statusCode = 503; // as all say while Redis is away
        response.end(`${i}`);
      });
      await new Promise<void>((resolve) => replica.listen(0, '127.0.0.1', resolve));
      replicas.push(replica);
    }
    const portOf = (server: Server) => (server.address() as AddressInfo).port;
    const spare = createServer();
    await new Promise<void>((resolve) => spare.listen(0, '127.0.0.1', resolve));
    const port = portOf(spare);
    await new Promise((resolve) => spare.close(resolve));
    let config = read('deploy/nginx.conf').replace('listen 8080', `listen 127.0.0.1:${port}`);
    for (const [i, replica] of replicas.entries())
      config = config.replace(`127.0.0.1:808${i + 1}`, `127.0.0.1:${portOf(replica)}`);
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${folder}/${name};`,
    );
    const head = `daemon off; master_process off; pid ${folder}/pid; error_log stderr crit; events {}`;
    writeFileSync(join(folder, 'nginx.conf'), `${head} http { access_log off; ${paths.join(' ')} ${config} }`);
    nginx = spawn('nginx', ['-c', join(folder, 'nginx.conf'), '-e', 'stderr'], { stdio: 'inherit' });
    const ask = async (affinity: string) => {
      const headers = affinity === '' ? undefined : { 'x-onebit-affinity': affinity };
      return (await fetch(`http://127.0.0.1:${port}/v1/models`, { headers })).text();
    };
    while (!(await ask('').catch(() => undefined))) await new Promise((resolve) => setTimeout(resolve, 50));
    const conversations = Array.from({ length: 60 }, (_, i) => `conversation-${i}`);
    const placed = async () => Promise.all(conversations.map(ask));
    const first = await placed();
    expect(new Set(first)).toEqual(new Set(['0', '1', '2']));
    expect(await placed()).toEqual(first);
    for (let i = 0; i < 3; i++) {
      expect((await fetch(`http://127.0.0.1:${port}/v1/batches`)).status).toBe(503);
      expect(await placed()).toEqual(first);
    }
    replicas[1].close();
    replicas[1].closeAllConnections();
    const then = await placed();
    for (const [i, replica] of first.entries()) {
      if (replica === '1') expect(['0', '2']).toContain(then[i]);
      else expect(then[i]).toBe(replica);
    }
  }, 60_000);
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
