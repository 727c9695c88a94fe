// Owns what a page can tell about the machine it runs on, for rows that others can compare.

/** One measured row. Speeds are tokens per second. */
export interface Row {
  readonly date: string;
  readonly browser: string;
  readonly platform: string;
  readonly cores: number;
  readonly isolated: boolean;
  readonly adapter: string;
  readonly model: string;
  readonly fileBytes: number;
  readonly backend: string;
  readonly threads: number;
  readonly promptTokens: number;
  readonly genTokens: number;
  readonly runs: number;
  readonly loadMs: number;
  readonly prefill: number;
  readonly decode: number;
  readonly decodeBest: number;
  /** Bytes a second that decoding reads: weights times tokens. */
  readonly bytesPerSecond: number;
  /** On a GPU. */
  readonly dispatchesPerToken?: number;
  readonly readBackBytesPerToken?: number;
}

export interface Machine {
  readonly browser: string;
  readonly platform: string;
  readonly cores: number;
  readonly isolated: boolean;
  readonly gpu: string;
}

/** What can be told. */
export async function describeMachine(): Promise<Machine> {
  const data = (
    navigator as unknown as { userAgentData?: { brands: { brand: string; version: string }[]; platform: string } }
  ).userAgentData;
  const brand = data?.brands.find(({ brand: name }) => !/not.?a.?brand/i.test(name));
  return {
    browser: brand
      ? `${brand.brand} ${brand.version}`
      : (/(Firefox|Version|Chrome)\/[\d.]+/.exec(navigator.userAgent)?.[0] ?? navigator.userAgent),
    platform: data?.platform || /\(([^)]+)\)/.exec(navigator.userAgent)?.[1] || 'unknown',
    cores: navigator.hardwareConcurrency,
    isolated: crossOriginIsolated,
    gpu: await describeGpu(),
  };
}

async function describeGpu(): Promise<string> {
  if (!navigator.gpu) return '';
  try {
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) return '';
    const { vendor, architecture, description } = adapter.info;
    return [vendor, architecture, description].filter(Boolean).join(' ') || 'unnamed';
  } catch {
    return '';
  }
}

/** Rows as a Markdown table. */
export function markdown(rows: readonly Row[]): string {
  const head = ['date', 'model', 'backend', 'prefill tok/s', 'decode tok/s', 'GB/s', 'machine'];
  const cells = rows.map((row) => [
    row.date.slice(0, 10),
    row.model,
    row.backend === 'wasm' ? `wasm × ${row.threads}` : row.backend,
    row.prefill.toFixed(1),
    row.decode.toFixed(1),
    (row.bytesPerSecond / 1e9).toFixed(2),
    [row.browser, row.platform, `${row.cores} cores`, row.backend === 'webgpu' ? row.adapter : '']
      .filter(Boolean)
      .join(', '),
  ]);
  return [head, head.map(() => '---'), ...cells].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** Rows as comma-separated values. */
export function commaSeparated(rows: readonly Row[]): string {
  const names = Object.keys(rows[0] ?? {}) as (keyof Row)[];
  const quoted = (value: unknown) =>
    /[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? '');
  return [names.join(','), ...rows.map((row) => names.map((name) => quoted(row[name])).join(','))].join('\n');
}
