export { type Faults, faultyStore } from "./faulty-store.ts";
export { type Skip, type StoreSuite, testStore } from "./store.ts";
