import { streamText } from "ai";
import { fromAISDK } from "../../src/adapters/index.ts";
import type { AgentFunction, AgentLike, AgentStream } from "../../src/agent.ts";
import { Agent } from "../../src/ai/index.ts";
import { createHub } from "../../src/hub.ts";
import { memoryStore } from "../../src/stores/memory.ts";
import { cannedModel } from "../canned-model.ts";
import { eventAt } from "../event.ts";
import { cpu, median } from "../figures.ts";
import type { Figures } from "../scenario.ts";

const EVENTS = 20_000;
const CHUNKS = 5_000;
/** The median of this many passes counts, after some that are not looked at. */
const PASSES = 5;
const WARM_UP = 3;

const events = Array.from({ length: EVENTS }, (_, index) => eventAt(index, index));

async function perEvent(count: number, pass: () => unknown): Promise<Figures> {
  const figures: number[] = [];
  for (let i = -WARM_UP; i < PASSES; i++) {
    const before = cpu();
    await pass();
    if (i >= 0) figures.push(((cpu() - before) * 1_000) / count);
  }
  return { ns: median(figures) };
}

function expect(seen: number, wanted: number): void {
  if (seen < wanted) throw new Error(`There should be ${wanted}, and there were ${seen}`);
}

export function stringify(): Promise<Figures> {
  return perEvent(EVENTS, () => {
    let length = 0;
    for (const event of events) length += JSON.stringify(event).length;
    expect(length, EVENTS * 150);
  });
}

export function handOff(): Promise<Figures> {
  async function* agent(): AgentStream {
    yield* events;
  }
  return perEvent(EVENTS, async () => {
    let length = 0;
    for await (const event of agent()) length += JSON.stringify(event).length;
    expect(length, EVENTS * 150);
  });
}

export function agentToIterator(): Promise<Figures> {
  async function* agent(): AgentStream {
    yield* events;
  }
  return perEvent(EVENTS, async () => expect(await entriesOf(agent), EVENTS + 2));
}

const pieces = Array.from({ length: CHUNKS }, (_, index) => `word${index} `);
const text = pieces.join("");
const model = cannedModel(pieces);

export function modelAlone(): Promise<Figures> {
  return perEvent(CHUNKS, async () => {
    let length = 0;
    for await (const part of streamText({ model, prompt: "x" }).fullStream)
      if (part.type === "text-delta") length += part.text.length;
    expect(length, text.length);
  });
}

/** Events are fewer than chunks: deltas that wait for the same commit are one. */
export function modelInAgent(): Promise<Figures> {
  return perEvent(CHUNKS, () => entriesOf(new Agent({ name: "agent", model }), text));
}

export function modelAdapted(): Promise<Figures> {
  const agent: AgentLike = {
    name: "agent",
    run: (context) => fromAISDK(streamText({ model, prompt: "x", abortSignal: context.signal }), context),
  };
  return perEvent(CHUNKS, () => entriesOf(agent, text));
}

/** How many entries a viewer in this process sees; all of the text must be in them. */
async function entriesOf(agent: AgentLike | AgentFunction, said = ""): Promise<number> {
  await using hub = await createHub({ store: memoryStore(), agents: [agent] });
  const { run } = await hub.start({ input: "x" });
  let [seen, length] = [0, 0];
  for await (const { entries = [] } of run.follow()) {
    seen += entries.length;
    if (said === "") continue;
    for (const { event } of entries) if (event.type === "text.delta") length += event.text.length;
  }
  expect(length, said.length);
  return seen;
}
