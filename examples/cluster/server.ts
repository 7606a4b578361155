// One server of the cluster: an agent, the store that all of them share, and a lease. RUNLOG_STORE and PORT say where.
import { type AgentLike, createHub } from "runlog";
import { listen } from "runlog/server";
import { redisStore } from "runlog/stores/redis";
import { WORDS } from "./sentence.ts";

// Speaks one sentence in each step, at a steady pace. Should its process die, another one goes on behind the last
// sentence that is finished.
const speaker: AgentLike = {
  name: "speaker",
  onProducerLost: "resume",
  limits: { maxSteps: 100_000 },
  async *run({ input, entries, signal }) {
    const { sentences, everyMs } = JSON.parse(String(input)) as { sentences: number; everyMs: number };
    const finished = entries.filter(({ event }) => event.type === "step.finished").length;
    for (let step = finished + 1; step <= sentences; step++) {
      // After a takeover, what was said of the sentence stays in the log, and it is said anew under another id.
      const id = `${step}-${entries.length}`;
      yield { type: "step.started", step };
      yield { type: "text.started", id };
      for (const word of WORDS) {
        await pause(everyMs, signal);
        yield { type: "text.delta", id, text: `${word} ` };
      }
      yield { type: "text.delta", id, text: `${step}. ` };
      yield { type: "text.finished", id };
      yield { type: "step.finished", step, finishReason: "stop", usage: null, cost: 0 };
    }
  },
};

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}

const store = await redisStore(process.env.RUNLOG_STORE ?? "redis://127.0.0.1:6379");
// So short that a takeover can be watched; in earnest the default of 30 s.
const hub = await createHub({ store, agents: [speaker], leaseMs: 1_000 });
const server = await listen({ hub, port: Number(process.env.PORT ?? 8001) });

process.once("SIGTERM", async () => {
  await server.stop();
  await store[Symbol.asyncDispose]();
  process.exit();
});
// It goes with the process that started it.
process.once("disconnect", () => process.exit(1));
