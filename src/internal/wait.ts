/** Resolves after `ms`, or at once when the signal aborts. Never keeps a process alive. */
export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return pause(ms, signal, false);
}

/** As `wait`, for somebody who has nothing else to live for: the process stays until it is over. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return pause(ms, signal, true);
}

function pause(ms: number, signal: AbortSignal | undefined, keepAlive: boolean): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    // Browsers have a number here.
    if (!keepAlive && typeof timer === "object") timer.unref();
    signal?.addEventListener("abort", done);
  });
}
