export { type Faults, faultyStore } from "./faulty-store.ts";
export { logs, toEntries } from "./logs.ts";
export { type ProtocolSuite, RUN, testProtocol } from "./protocol.ts";
export { randomRuns } from "./random-runs.ts";
export { type Skip, type StoreSuite, testStore } from "./store.ts";
