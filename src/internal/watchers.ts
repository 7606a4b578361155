/** Callbacks by key. Whoever is disposed of is never called again, and one that throws hurts no other. */
export class Watchers<Value> {
  readonly #byKey = new Map<string, Set<Watcher<Value>>>();

  add(key: string, wake: (value?: Value) => void): Disposable {
    return new Watcher(this.#byKey, key, wake);
  }

  wake(key: string, value?: Value): void {
    const watchers = this.#byKey.get(key);
    if (watchers === undefined) return;
    // A watcher may add others, which are then woken too, and dispose of others, which are not.
    for (const watcher of watchers) {
      try {
        watcher.wake(value);
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

class Watcher<Value> implements Disposable {
  readonly wake: (value?: Value) => void;
  readonly #byKey: Map<string, Set<Watcher<Value>>>;
  readonly #key: string;

  constructor(byKey: Map<string, Set<Watcher<Value>>>, key: string, wake: (value?: Value) => void) {
    this.wake = wake;
    this.#byKey = byKey;
    this.#key = key;
    const watchers = byKey.get(key);
    if (watchers) watchers.add(this);
    else byKey.set(key, new Set([this]));
  }

  [Symbol.dispose](): void {
    const watchers = this.#byKey.get(this.#key);
    watchers?.delete(this);
    if (watchers?.size === 0) this.#byKey.delete(this.#key);
  }
}
