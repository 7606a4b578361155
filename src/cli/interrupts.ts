/** npm and npx pass on the signal that the terminal has sent to everybody already. */
const ECHO_MS = 250;

/**
 * Calls `handle` for each Ctrl-C and SIGTERM, until disposed of; the process itself goes on. The same signal
 * twice at once counts once.
 */
export function onInterrupt(handle: (signal: "SIGINT" | "SIGTERM") => void): Disposable {
  let last: { readonly signal: string; readonly at: number } | undefined;
  const listener = (signal: NodeJS.Signals) => {
    const at = performance.now();
    const echo = last?.signal === signal && at - last.at < ECHO_MS;
    last = { signal, at };
    if (!echo) handle(signal as "SIGINT" | "SIGTERM");
  };
  process.on("SIGINT", listener);
  process.on("SIGTERM", listener);
  return {
    [Symbol.dispose]: () => {
      process.off("SIGINT", listener);
      process.off("SIGTERM", listener);
    },
  };
}
