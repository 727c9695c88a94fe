// Owns how results of `onebit evaluate` are told: lines at the terminal, and questions as the report shows them. Must not know how they were found.
import type { AskResult } from '../evaluate/asks.ts';
import type { ChoiceResult, Estimate } from '../evaluate/choices.ts';
import type { Cost, ModelReport, Shown, TaskReport } from '../evaluate/report.ts';
import type { RunPlan, RunResult } from './evaluate-run.ts';
import { print } from './print.ts';

const LONGEST = 600;

/** Prints what was found, model after model. */
export function printReports(reports: readonly ModelReport[], currency: string): void {
  for (const { model, tasks, texts, against = [], cost } of reports) {
    print(model);
    for (const task of tasks) for (const line of taskLines(task)) print(`  ${line}`);
    for (const { text, bitsPerByte, interval, perplexity, windowTokens } of texts) {
      const range = `${interval.from.toFixed(4)} to ${interval.to.toFixed(4)}`;
      print(
        `  ${text}: ${bitsPerByte.toFixed(4)} bits per byte (${range}), perplexity ${perplexity.toFixed(3)} (windows of ${windowTokens})`,
      );
    }
    for (const { text, model: other, klDivergence, sameTop, places } of against) {
      print(
        `  ${text} against ${other}: divergence ${klDivergence.value.toFixed(4)} nats, same likeliest token ${shown(sameTop)}, ${places} places`,
      );
    }
    print(`  ${costLine(cost, currency)}`);
  }
}

function taskLines({ task, choices, asks }: TaskReport): string[] {
  if (asks) {
    const { items, exact_match, loose_match, valid } = asks;
    const whole = valid ? `, whole ${shown(valid)}` : '';
    return [`${task}, ${items} questions: exact ${shown(exact_match)}, loose ${shown(loose_match)}${whole}`];
  }
  const { items, acc, acc_norm, acc_bytes, acc_mutual_info, perplexity, calibration } = choices!;
  const mutual = acc_mutual_info ? `, acc_mutual_info ${shown(acc_mutual_info)}` : '';
  const more =
    perplexity === undefined
      ? `acc_norm ${shown(acc_norm)}, acc_bytes ${shown(acc_bytes)}${mutual}`
      : `perplexity ${perplexity.toFixed(3)}`;
  const lines = [`${task}, ${items} questions: acc ${shown(acc)}, ${more}`];
  if (!calibration) return lines;
  const by = calibration.acc_mutual_info ? 'acc_mutual_info' : 'acc';
  const { ece, calibratedEce, coverage } = calibration[by]!;
  const errorsAt = (share: number) => percent(coverage.find((one) => one.coverage === share)!.errorRate);
  const errors = `errors ${errorsAt(1)}, on the surer half ${errorsAt(0.5)}`;
  return [
    ...lines,
    `  by ${by}: calibration error ${ece.toFixed(3)}, calibrated ${calibratedEce.toFixed(3)}; ${errors}`,
  ];
}

function costLine({ tokens, tokensPerSecond, fileBytes, joules, energyFrom, price }: Cost, currency: string): string {
  const size = fileBytes === undefined ? '' : `${(fileBytes / 1e6).toFixed(2)} MB, `;
  const energy =
    joules === undefined ? 'energy not known here (--watts)' : `${joules.toFixed(0)} J a million (${energyFrom})`;
  const cost = price === undefined ? '' : `, ${price.toFixed(4)} ${currency} a million`;
  return `${size}${tokens} tokens at ${tokensPerSecond.toFixed(0)} a second, ${energy}${cost}`;
}

/** A question for the report: what was asked, what is right, what each model made of it. */
export function shownOf(plan: RunPlan, runs: readonly RunResult[], task: number, at: number): Shown {
  const question = plan.tasks[task].questions[at];
  const results = runs.map((run) => run.results[task][at]);
  if ('ask' in question) {
    const { prompt, answers } = question.ask;
    const asked =
      typeof prompt === 'string' ? prompt : prompt.map(({ role, content }) => `${role}: ${content}`).join('\n');
    const right = answers.map((answer) => (typeof answer === 'string' ? answer : JSON.stringify(answer))).join(' / ');
    return { question: cut(asked), right: cut(right), given: results.map((result) => cut((result as AskResult).text)) };
  }
  const { options, label } = question.choice;
  const same = options.every(({ context }) => context === options[0].context);
  const optionOf = (i: number) =>
    cut(same ? options[i].continuation.trim() : `${options[i].context}${options[i].continuation}`);
  const given = results.map((result) => {
    const { logLikelihoods, chosen, isGreedy } = result as ChoiceResult;
    return logLikelihoods.length === 1
      ? isGreedy
        ? optionOf(0)
        : 'another continuation'
      : optionOf(chosen.acc_mutual_info ?? chosen.acc);
  });
  return { question: cut(same ? options[0].context : ''), right: optionOf(label), given };
}

function cut(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function shown({ value, from, to }: Estimate): string {
  return `${percent(value)} (${(100 * from).toFixed(1)} to ${(100 * to).toFixed(1)})`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
