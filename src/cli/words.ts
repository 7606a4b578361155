import type { EventOf, Usage } from "../events.ts";

/** `850 ms`, `3.2 s`, `2 min 5 s`, `1 h 3 min`. */
export function sayDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function sayCost(cost: number | null): string {
  if (cost === null) return "cost unknown";
  if (cost === 0) return "$0";
  return cost < 0.01 ? `$${Number(cost.toPrecision(2))}` : `$${cost.toFixed(2)}`;
}

export function sayUsage({ inputTokens, outputTokens }: Usage): string {
  return `${inputTokens.toLocaleString("en")} tokens in, ${outputTokens.toLocaleString("en")} out`;
}

/** How long ago, in one unit: `12 s ago`. */
export function sayAgo(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** The last words on a run: how it ended, and what it took. */
export function sayTotals(
  { usage, cost }: { readonly usage?: Usage; readonly cost: number | null },
  steps: number,
  ms: number,
  dot: string,
): string {
  const parts = [
    steps > 0 && `${steps} ${steps === 1 ? "step" : "steps"}`,
    usage && sayUsage(usage),
    (usage || cost) && sayCost(cost),
    sayDuration(ms),
  ];
  return parts.filter(Boolean).join(` ${dot} `);
}

/** What an approval is asked for, as a question without its mark. */
export function sayApproval({ name, input, reason }: EventOf<"approval.requested">): string {
  return `${name} ${JSON.stringify(input)}${reason === undefined ? "" : ` (${reason})`}`;
}
