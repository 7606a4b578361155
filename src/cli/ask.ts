import { createInterface } from "node:readline";
import { strip } from "./strip.ts";

/** Asks on stderr until the answer is y or n. Undefined if stdin ends or the signal aborts before. */
export function ask(question: string, signal: AbortSignal): Promise<boolean | undefined> {
  return new Promise((resolve) => {
    // Not as a terminal of its own: Ctrl-C must stay a signal.
    const lines = createInterface({ input: process.stdin, terminal: false });
    const say = () => process.stderr.write(`${strip(question)} [y/n] `);
    const done = (answer?: boolean) => {
      resolve(answer);
      signal.removeEventListener("abort", abort);
      lines.close();
    };
    const abort = () => {
      process.stderr.write("\n");
      done();
    };
    signal.addEventListener("abort", abort);
    lines.on("close", () => done());
    lines.on("line", (line) => {
      if (/^\s*y(es)?\s*$/i.test(line)) done(true);
      else if (/^\s*n(o)?\s*$/i.test(line)) done(false);
      else say();
    });
    say();
  });
}
