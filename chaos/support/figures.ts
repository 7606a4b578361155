/** The value that so many in a hundred do not exceed; NaN of nothing. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? Number.NaN;
}

/** The largest of however many values. */
export function most(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), 0);
}

/** ms in words. */
export function inMs(ms: number): string {
  return `${Math.round(ms)} ms`;
}

/** A sentence if a value is above its limit. Without a value nothing was shown. */
export function above(what: string, value: number, limit: number, unit: string): string[] {
  if (value <= limit) return [];
  return [
    `${what} is ${Number.isNaN(value) ? "not known" : `${round(value)} ${unit}`}, not ${limit} ${unit}`,
  ];
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
