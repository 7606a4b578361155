export { type Faults, faultyStore } from "./faulty-store.ts";
export { logs, toEntries } from "./logs.ts";
export { type Skip, type StoreSuite, testStore } from "./store.ts";
export { testView } from "./view.ts";
