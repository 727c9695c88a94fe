// Owns making every allocation and every look at the abort signal fail in turn: work is run again and again, each time the next one fails, until it comes
// through. What fails must say so with the package's error (or the signal's reason), leave nothing behind, and not change what comes after.

/** An abort signal that aborts by itself at the look number `limit`; looks are counted from 1. */
export class CountingSignal extends EventTarget {
  looks = 0;
  reason = undefined;

  constructor(limit) {
    super();
    this.limit = limit;
  }

  get aborted() {
    if (this.reason === undefined && ++this.looks >= this.limit) {
      this.reason = new Error(`aborted at look ${this.limit}`);
      this.dispatchEvent(new Event('abort'));
    }
    return this.reason !== undefined;
  }

  throwIfAborted() {
    if (this.aborted) throw this.reason;
  }
}

/** Replaces a method by one that fails at call number `limit` while armed. */
export function failing(prototype, name, makeError) {
  const real = prototype[name];
  const state = { calls: 0, limit: Number.POSITIVE_INFINITY };
  prototype[name] = function (...args) {
    if (++state.calls === state.limit) throw makeError();
    return real.apply(this, args);
  };
  return {
    arm(limit) {
      state.calls = 0;
      state.limit = limit;
    },
    /** Whether the failure happened. */
    disarm() {
      const happened = state.calls >= state.limit;
      state.limit = Number.POSITIVE_INFINITY;
      return happened;
    },
    restore() {
      prototype[name] = real;
    },
  };
}

/**
 * Runs `work` with failure number first, first + step, … until one run has no failure any more.
 * @param {object} options
 * @param {(limit: number) => Promise<{ happened: boolean, result?: unknown, error?: unknown }>} options.attempt one run whose failure `limit` fails
 * @param {(error: unknown) => boolean} options.isExpected whether an error is the one that should come
 * @param {string} options.expected what a run without failure gives, as JSON
 * @param {() => Promise<string | undefined>} options.after looks at what is left and runs again; says what is wrong
 * @returns {Promise<{ failures: number, findings: string[] }>}
 */
export async function failInTurn({ attempt, isExpected, expected, after, first = 1, step = 1, most = Infinity }) {
  const findings = [];
  let failures = 0;
  for (let limit = first; failures < most; limit += step) {
    const { happened, result, error } = await attempt(limit);
    if (error !== undefined && !isExpected(error)) {
      findings.push(`failure ${limit}: ${error instanceof Error ? error.stack : error}`);
    }
    if (error === undefined && JSON.stringify(result) !== expected) {
      findings.push(`failure ${limit}: gave another result without an error: ${JSON.stringify(result).slice(0, 200)}`);
    }
    const left = await after();
    if (left) findings.push(`after failure ${limit}: ${left}`);
    if (!happened) return { failures, findings };
    failures++;
    if (findings.length > 20) break;
  }
  return { failures, findings };
}
