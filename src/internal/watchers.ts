/** Callbacks by key. Whoever is disposed of is never called again, and one that throws hurts no other. */
export class Watchers<Value> {
  readonly #byKey = new Map<string, Set<(value?: Value) => void>>();

  add(key: string, wake: (value?: Value) => void): Disposable {
    // Wrapped, so that one function may watch twice.
    const watcher = (value?: Value) => wake(value);
    const watchers = this.#byKey.get(key) ?? new Set();
    this.#byKey.set(key, watchers.add(watcher));
    return {
      [Symbol.dispose]: () => {
        watchers.delete(watcher);
        if (watchers.size === 0 && this.#byKey.get(key) === watchers) this.#byKey.delete(key);
      },
    };
  }

  wake(key: string, value?: Value): void {
    const watchers = this.#byKey.get(key);
    if (watchers === undefined) return;
    // A copy, as a watcher may add others; the check, as it may dispose of others.
    for (const watcher of [...watchers]) {
      if (!watchers.has(watcher)) continue;
      try {
        watcher(value);
      } catch {
        // Being woken is only a hint: what it missed, it reads later.
      }
    }
  }

  clear(): void {
    for (const watchers of this.#byKey.values()) watchers.clear();
    this.#byKey.clear();
  }
}
