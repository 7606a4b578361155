import type { Scenario } from "./scenario.ts";
import { append } from "./scenarios/append.ts";
import { catchUp } from "./scenarios/catch-up.ts";
import { endToEnd, manyRuns, oneRun, oneRunBatches, overload, webSocket } from "./scenarios/fan-out.ts";
import { growth } from "./scenarios/growth.ts";
import { core, model } from "./scenarios/in-process.ts";
import { memory } from "./scenarios/memory.ts";
import { redisAppend, redisLatency } from "./scenarios/redis.ts";

export const scenarios: readonly Scenario[] = [
  oneRun,
  oneRunBatches,
  overload,
  manyRuns,
  append,
  endToEnd,
  catchUp,
  memory,
  core,
  model,
  redisAppend,
  redisLatency,
  webSocket,
  growth,
];
