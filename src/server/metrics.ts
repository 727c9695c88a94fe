// Owns counting, and Prometheus' text format. The names of what concerns the model are vLLM's, which existing dashboards know.
// Source: Prometheus exposition format 0.0.4; vLLM's documentation of its metrics.

type Labels = Readonly<Record<string, string | number>>;

const SECONDS = [0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1, 2.5, 5, 10, 20, 40, 80, 160, 320];

/** A family of series of one name. */
export abstract class Family {
  readonly name: string;
  readonly help: string;
  abstract readonly type: string;

  constructor(name: string, help: string) {
    this.name = name;
    this.help = help;
  }

  abstract lines(): string[];
}

/** Counts upwards. */
export class Counter extends Family {
  readonly type = 'counter';
  private readonly values = new Map<string, number>();

  add(labels: Labels, amount = 1): void {
    const key = format(labels);
    this.values.set(key, (this.values.get(key) ?? 0) + amount);
  }

  lines(): string[] {
    return Array.from(this.values, ([labels, value]) => `${this.name}${labels} ${value}`);
  }
}

/** What is the case when it is asked. */
export class Gauge extends Family {
  readonly type: string;
  private readonly read: () => Iterable<readonly [Labels, number]>;

  /** @param type `counter` for values that somebody else counts */
  constructor(name: string, help: string, read: () => Iterable<readonly [Labels, number]>, type = 'gauge') {
    super(name, help);
    this.read = read;
    this.type = type;
  }

  lines(): string[] {
    return Array.from(this.read(), ([labels, value]) => `${this.name}${format(labels)} ${value}`);
  }
}

/** Durations in buckets, in seconds. */
export class Histogram extends Family {
  readonly type = 'histogram';
  private readonly series = new Map<string, { labels: Labels; counts: number[]; sum: number; count: number }>();

  observe(labels: Labels, seconds: number): void {
    const key = format(labels);
    let series = this.series.get(key);
    if (!series) {
      series = { labels, counts: SECONDS.map(() => 0), sum: 0, count: 0 };
      this.series.set(key, series);
    }
    series.sum += seconds;
    series.count++;
    for (const [i, bound] of SECONDS.entries()) if (seconds <= bound) series.counts[i]++;
  }

  lines(): string[] {
    const lines: string[] = [];
    for (const [key, { labels, counts, sum, count }] of this.series) {
      for (const [i, bound] of SECONDS.entries()) {
        lines.push(`${this.name}_bucket${format({ ...labels, le: bound })} ${counts[i]}`);
      }
      lines.push(`${this.name}_bucket${format({ ...labels, le: '+Inf' })} ${count}`);
      lines.push(`${this.name}_sum${key} ${sum}`, `${this.name}_count${key} ${count}`);
    }
    return lines;
  }
}

function format(labels: Labels): string {
  const escaped = (value: string | number) =>
    String(value).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** The page of all `families`. */
export function renderMetrics(families: readonly Family[]): string {
  const blocks = families.map((family) =>
    [`# HELP ${family.name} ${family.help}`, `# TYPE ${family.name} ${family.type}`, ...family.lines()].join('\n'),
  );
  return `${blocks.join('\n')}\n`;
}
