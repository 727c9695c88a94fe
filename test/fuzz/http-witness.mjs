// Owns the honest clients beside the fuzzer: eight that stream, one that asks /health on and on. Says how long each had to wait. A process of its own:
// node test/fuzz/http-witness.mjs URL; ends with a report when its standard input ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const url = process.argv[2];
const STREAMS = 8;
const report = {
  health: 0,
  healthWhole: 0,
  healthLate: 0,
  hello: 0,
  healthAsked: 0,
  healthFailed: 0,
  silence: 0,
  firstToken: 0,
  streams: 0,
  busy: 0,
  broken: [],
};
let going = true;

/**
 * What the machine and this process delay is not the server's. A server that only says hello, in a process of its own, is asked at the same moment
 * as /health: what it took is told apart, and `health` is what the server took longer than that.
 */
const HELLO =
  "require('http').createServer((q, a) => a.end('ok')).listen(0, '127.0.0.1', function () { process.send(this.address().port) })";
const hello = spawn(process.execPath, ['-e', HELLO], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
const [port] = await once(hello, 'message');
// The first requests load code, here and in the server; the clock runs from then on, and the fuzzer begins when this process says so.
for (const address of [`http://127.0.0.1:${port}`, `${url}/health`]) await (await fetch(address)).text();
console.error('ready');

async function askHealth() {
  while (going) {
    const began = performance.now();
    const took = async (address) => {
      const answer = await fetch(address);
      await answer.text();
      return { answer, ms: performance.now() - began };
    };
    try {
      const [{ answer, ms }, other] = await Promise.all([took(`${url}/health`), took(`http://127.0.0.1:${port}`)]);
      report.healthWhole = Math.max(report.healthWhole, ms);
      report.hello = Math.max(report.hello, other.ms);
      report.health = Math.max(report.health, ms - other.ms);
      if (ms > 300) report.healthLate++;
      if (answer.status !== 200) report.healthFailed++;
    } catch (error) {
      report.healthFailed++;
      if (report.broken.length < 5) report.broken.push(`health: ${error.cause ?? error}`);
    }
    report.healthAsked++;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

async function stream(client) {
  const body = JSON.stringify({
    ...{ messages: [{ role: 'user', content: `Honest client ${client}: a table for two` }], stream: true },
    ...{ max_tokens: 120, ignore_eos: true },
  });
  while (going) {
    try {
      let heard = performance.now();
      const answer = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      if (answer.status === 429 || answer.status === 503) {
        report.busy++;
        await answer.text();
        await new Promise((resolve) => setTimeout(resolve, 200));
        continue;
      }
      let text = '';
      for await (const chunk of answer.body) {
        const now = performance.now();
        const wait = now - heard;
        if (text.includes('"content":"')) report.silence = Math.max(report.silence, wait);
        else report.firstToken = Math.max(report.firstToken, wait);
        heard = now;
        text += Buffer.from(chunk).toString();
      }
      report.streams++;
      if (!text.includes('[DONE]') && report.broken.length < 5) report.broken.push(`stream: ${text.slice(-200)}`);
    } catch (error) {
      if (report.broken.length < 5) report.broken.push(`stream: ${error.cause ?? error}`);
    }
  }
}

const done = Promise.all([askHealth(), ...Array.from({ length: STREAMS }, (_, i) => stream(i))]);
process.stdin.resume();
process.stdin.on('end', async () => {
  going = false;
  await done;
  hello.kill();
  for (const name of ['health', 'healthWhole', 'hello', 'silence', 'firstToken'])
    report[name] = Math.round(report[name]) / 1000;
  console.log(JSON.stringify(report));
});
