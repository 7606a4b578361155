import { RunError } from "../../src/errors.ts";
import type { Batch, Store } from "../../src/store.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { VirtualClock } from "./virtual-clock.ts";
import type { Weather } from "./weather.ts";

export interface SimulatedStoreOptions {
  /** The store itself, which is somewhere else and never forgets. */
  readonly store: Store;
  readonly process: SimulatedProcess;
  readonly clock: VirtualClock;
  readonly weather: Weather;
}

/**
 * The store as one process reaches it, over a network: requests and answers take their time and may be lost, hints
 * may be dropped, late or doubled. Nothing of it reaches a process that is dead, or one that is held back before it
 * goes on.
 */
export function simulatedStore({ store, process, clock, weather }: SimulatedStoreOptions): Store {
  const { faults } = weather;

  function request<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      const { there, back, failAfter, answerLost } = weather.passage();
      const fail = (why: string) =>
        process.deliver(() => reject(new RunError("store_unavailable", `Cannot reach the store: ${why}`)));
      if (failAfter !== undefined) clock.after(failAfter, () => fail("it did not answer"));
      if (there === undefined) return;
      clock.after(there, () => {
        const cut = weather.is(`cut ${process.name}`);
        if (cut || weather.is("outage")) {
          faults[cut ? "refused by the cut" : "refused by an outage"]++;
          clock.after(back, () => fail("it is down"));
          return;
        }
        work().then(
          (answer) =>
            clock.after(back, () =>
              answerLost ? fail("its answer was lost") : process.deliver(() => resolve(answer)),
            ),
          (error) => clock.after(back, () => process.deliver(() => reject(error))),
        );
      });
    });
  }

  return {
    durability: store.durability,
    shared: true,
    append: (run, expected, batch, record) =>
      request(async () => {
        const real = await store.append(run, expected, batch, record);
        if (real) faults["compare refused"]++;
        return real;
      }),
    read: (run, after, maxBytes) => request(() => store.read(run, after, maxBytes)),
    tail: (run) => request(() => store.tail(run)),
    record: (run) => request(() => store.record(run)),
    list: (options) => request(() => store.list(options)),
    delete: (run, expected) => request(() => store.delete(run, expected)),
    watch(run, wake) {
      let watching = true;
      const hint = (batch?: Batch) => {
        for (const ms of weather.hints()) {
          clock.after(ms, () => process.deliver(() => watching && wake(batch)));
        }
      };
      const watch = store.watch(run, hint);
      return {
        [Symbol.dispose]() {
          watching = false;
          watch[Symbol.dispose]();
        },
      };
    },
    beat: (holder, ms) => request(() => store.beat(holder, ms)),
    async [Symbol.asyncDispose]() {},
  };
}
