/** The figures of one run of dnsperf. */
export interface DnsperfFigures {
  readonly perSecond: number;
  /** Queries without an answer, or with one that is not NOERROR. */
  readonly bad: number;
}

/** Reads the summary of dnsperf. @throws {Error} If `text` holds none. */
export function readDnsperf(text: string): DnsperfFigures {
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1]);
  const perSecond = number(/^ *Queries per second: +([0-9.]+)/m);
  const sent = number(/^ *Queries sent: +([0-9]+)/m);
  const good = number(/^ *Response codes: .*?NOERROR ([0-9]+)/m);
  if (Number.isNaN(perSecond + sent)) throw new Error(`Cannot read the output of dnsperf: ${text}`);
  return { perSecond, bad: sent - (good || 0) };
}

/** Reads the latencies that `dnsperf -v` prints, in milliseconds. */
export function readLatencies(text: string): number[] {
  return [...text.matchAll(/^> \w+ \S+ A ([0-9.]+)$/gm)].map(([, seconds]) => Number(seconds) * 1000);
}
