// Owns what tests ask of any browser: open a tab, go somewhere, run a script there. Must not know which browsers there are.

/** One tab, with storage of its own. */
export interface Tab {
  /** Goes to a page and waits until it is loaded. */
  goto(url: string): Promise<void>;
  /** Runs the body of an async function in the page and gives what it returns, as JSON carries it. Throws what the page throws. */
  run<Result>(body: string): Promise<Result>;
  close(): Promise<void>;
}

/** A running browser. */
export interface RunningBrowser {
  readonly version: string;
  open(): Promise<Tab>;
  close(): Promise<void>;
}

/** A browser that may be installed here. */
export interface BrowserKind {
  readonly name: string;
  /** Why it cannot be tested here, for names of tests; empty where it can. */
  readonly missing: string;
  start(): Promise<RunningBrowser>;
}

/** An async function's body as an expression that promises text: JSON of its result, or of what it threw. */
export function asText(body: string): string {
  return `(async () => { ${body} })().then(
    (result) => JSON.stringify({ result }),
    (error) => JSON.stringify({ error: String(error?.stack ?? error), message: String(error?.message ?? error) }))`;
}

/** What `asText` promised. */
export function fromText<Result>(text: string): Result {
  const { result, error, message } = JSON.parse(text);
  if (error !== undefined) throw new Error(`in the page: ${message}`, { cause: error });
  return result;
}
