// Owns the honest clients beside the fuzzer: eight that stream, one that asks /health on and on. Says how long each had to wait. A process of its own:
// node test/fuzz/http-witness.mjs URL; ends with a report when its standard input ends.
const url = process.argv[2];
const STREAMS = 8;
const report = {
  health: 0,
  healthAsked: 0,
  healthFailed: 0,
  silence: 0,
  firstToken: 0,
  streams: 0,
  busy: 0,
  broken: [],
};
let going = true;
let own = 0;

/** This process's own delays are not the server's: they are measured and taken off. */
let last = performance.now();
const clock = setInterval(() => {
  const now = performance.now();
  own = Math.max(own, now - last - 20);
  last = now;
}, 20);

async function askHealth() {
  while (going) {
    own = 0;
    const began = performance.now();
    try {
      const answer = await fetch(`${url}/health`);
      await answer.text();
      if (answer.status !== 200) report.healthFailed++;
    } catch (error) {
      report.healthFailed++;
      if (report.broken.length < 5) report.broken.push(`health: ${error.cause ?? error}`);
    }
    report.healthAsked++;
    report.health = Math.max(report.health, performance.now() - began - own);
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
  clearInterval(clock);
  for (const name of ['health', 'silence', 'firstToken']) report[name] = Math.round(report[name]) / 1000;
  console.log(JSON.stringify(report));
});
