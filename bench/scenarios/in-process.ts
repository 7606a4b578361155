import { inProcess } from "../processes.ts";
import { ratio, type Scenario } from "../scenario.ts";
import { column } from "../table.ts";

const work = new URL("in-process.work.ts", import.meta.url);

const STRINGIFY = "JSON.stringify alone";
const HAND_OFF = "JSON.stringify and an async generator";
const RUNLOG = "Runlog, agent to iterator";

export const core: Scenario = {
  name: "core",
  title: "One run in memory, 20,000 events without a model: agent to iterator",
  columns: [column("ns", "CPU an event", " ns")],
  contenders: [
    { name: RUNLOG, measure: () => inProcess(work, "agentToIterator") },
    { name: HAND_OFF, measure: () => inProcess(work, "handOff") },
    { name: STRINGIFY, measure: () => inProcess(work, "stringify") },
  ],
  wanted: [{ what: `${RUNLOG} / ${HAND_OFF}`, of: ratio("ns", RUNLOG, HAND_OFF), atMost: 4 }],
};

const ALONE = "streamText, iterated";
const AGENT = "Runlog's agent, to an iterator";
const ADAPTED = "streamText in an agent, fromAISDK";

export const model: Scenario = {
  name: "model",
  title: "OpenAI's provider with 5,000 chunks to say: streamText of the AI SDK alone, and with a log",
  columns: [column("ns", "CPU a chunk", " ns")],
  contenders: [
    { name: AGENT, measure: () => inProcess(work, "modelInAgent") },
    { name: ADAPTED, measure: () => inProcess(work, "modelAdapted") },
    { name: ALONE, measure: () => inProcess(work, "modelAlone") },
  ],
  wanted: [AGENT, ADAPTED].map((name) => ({
    what: `what ${name} costs more than ${ALONE}`,
    of: (round) => {
      const over = ratio("ns", name, ALONE)(round);
      return over === undefined ? undefined : over - 1;
    },
    atMost: 0.15,
  })),
};
