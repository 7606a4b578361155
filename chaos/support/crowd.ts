// Many viewers of one run in a process of their own, as small as a viewer can be: a socket and a count.
import { connect } from "node:net";
import { childOptions, tell } from "../../test/support/child.ts";

export interface CrowdOptions {
  readonly base: string;
  readonly run: string;
  readonly viewers: number;
}

export type CrowdMessage =
  | { readonly open: number }
  /** An entry has come to all of them: when, since the epoch in ms, at each. */
  | { readonly seq: number; readonly at: readonly number[] }
  | { readonly wrong: string };

const { base, run, viewers } = childOptions<CrowdOptions>();
const { hostname, port } = new URL(base);
const arrivals = new Map<number, number[]>();
let open = 0;
for (let count = 0; count < viewers; count++) {
  await watch();
  open++;
}
tell({ open } satisfies CrowdMessage);

/** Resolves once its first entry has come. */
function watch(): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    let last = 0;
    let rest = "";
    socket.setEncoding("latin1");
    socket.write(`GET /runs/${run}/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n`);
    socket.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (!line.startsWith("id: ")) continue;
        const seq = Number.parseInt(line.slice(4), 10);
        if (seq !== last + 1) tell({ wrong: `After entry ${last} came ${seq}` } satisfies CrowdMessage);
        last = seq;
        arrived(seq);
        resolve();
      }
    });
    socket.on("error", (error) => tell({ wrong: error.message } satisfies CrowdMessage));
  });
}

function arrived(seq: number): void {
  const at = arrivals.get(seq) ?? [];
  arrivals.set(seq, at);
  at.push(performance.timeOrigin + performance.now());
  if (at.length === viewers) tell({ seq, at } satisfies CrowdMessage);
}
