/** A flag that one reader waits for; setting it before the wait is not lost. */
export class Wakeup {
  #set = false;
  #wake: (() => void) | undefined;

  set(): void {
    this.#set = true;
    this.#wake?.();
  }

  /** Until it is set, the time is over, or the abort; then it is unset. True if it was set. */
  wait(timeoutMs: number, abort?: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        abort?.removeEventListener("abort", done);
        this.#wake = undefined;
        resolve(this.#set);
        this.#set = false;
      };
      const timer = setTimeout(done, timeoutMs);
      this.#wake = done;
      abort?.addEventListener("abort", done);
      if (this.#set || abort?.aborted) done();
    });
  }
}
