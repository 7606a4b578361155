import { commands } from "./commands.ts";
import { killRedisAlways, killRedisEverysec } from "./kill-redis.ts";
import { killServerOnNats, killServerOnRedis, killServerOnSqlite } from "./kill-server.ts";
import { lostAnswers } from "./lost-answers.ts";
import { lostHints } from "./lost-hints.ts";
import { manyViewers } from "./many-viewers.ts";
import { fullDisk, storeUnreachable } from "./outages.ts";
import { producerLost } from "./producer-lost.ts";
import { rollingRestart } from "./rolling-restart.ts";
import { slowReader } from "./slow-reader.ts";
import type { Scenario } from "./support/scenario.ts";
import { viewerCuts } from "./viewer-cuts.ts";
import { zombieAppends } from "./zombies.ts";

export const scenarios: readonly Scenario[] = [
  killServerOnSqlite,
  killServerOnRedis,
  killServerOnNats,
  killRedisAlways,
  killRedisEverysec,
  producerLost,
  zombieAppends,
  lostAnswers,
  viewerCuts,
  lostHints,
  commands,
  slowReader,
  manyViewers,
  fullDisk,
  storeUnreachable,
  rollingRestart,
];
