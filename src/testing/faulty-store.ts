import type { Store } from "../store.ts";
import { over } from "./over.ts";

export interface Faults {
  /** Asked before each append: true loses its answer. The batch is kept all the same. */
  readonly loseAnswer?: () => boolean;
  /** Asked before each append: true refuses it, and nothing is kept. */
  readonly refuse?: () => boolean;
  /** No hint ever arrives. */
  readonly loseHints?: boolean;
}

/** A store that fails as networks and disks do; what it keeps is right. */
export function faultyStore(store: Store, { loseAnswer, refuse, loseHints }: Faults): Store {
  const append: Store["append"] = async (...asked) => {
    if (refuse?.()) throw new Error("The store refused the append");
    const lost = loseAnswer?.() ?? false;
    const result = await store.append(...asked);
    if (lost) throw new Error("The answer was lost");
    return result;
  };
  const watch: Store["watch"] = () => ({ [Symbol.dispose]() {} });
  return over(store, { append, ...(loseHints && { watch }) });
}
