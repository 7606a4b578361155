import {
  AIMessage,
  AIMessageChunk,
  type BaseMessage,
  HumanMessage,
  RemoveMessage,
  type ToolMessage,
} from "@langchain/core/messages";
import { ChatGenerationChunk } from "@langchain/core/outputs";
import { tool } from "@langchain/core/tools";
import { FakeListChatModel, FakeStreamingChatModel } from "@langchain/core/utils/testing";
import {
  Annotation,
  Command,
  interrupt,
  type LangGraphRunnableConfig,
  MemorySaver,
  MessagesAnnotation,
  START,
  StateGraph,
} from "@langchain/langgraph";
import { createReactAgent } from "@langchain/langgraph/prebuilt";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { AgentFunction, RunContext } from "../agent.ts";
import {
  type AgentEvent,
  type Entry,
  type EventOf,
  type EventType,
  isTerminal,
  type StreamEvent,
} from "../events.ts";
import { createHub } from "../hub.ts";
import { toMessages } from "../messages.ts";
import { memoryStore } from "../stores/memory.ts";
import { collect, expectWhole, play } from "./adapters.fixture.ts";
import { fromLangGraph, type LangGraphOptions } from "./from-lang-graph.ts";
import { langGraphAnswers } from "./from-lang-graph-answers.ts";

type Turn = readonly AIMessageChunk[] | Error;

/** A model of LangChain that streams the chunks it was given, a list for each time it is asked. */
class ChunkModel extends FakeStreamingChatModel {
  readonly turns: Turn[];

  constructor(...turns: Turn[]) {
    super({});
    this.turns = turns;
  }

  override bindTools() {
    return this;
  }

  override async _generate(
    ...[messages, options, manager]: Parameters<FakeStreamingChatModel["_generate"]>
  ): ReturnType<FakeStreamingChatModel["_generate"]> {
    let whole: ChatGenerationChunk | undefined;
    for await (const piece of this._streamResponseChunks(messages, options, manager)) {
      whole = whole?.concat(piece) ?? piece;
    }
    return { generations: [whole!] };
  }

  override async *_streamResponseChunks(
    ...[, , manager]: Parameters<FakeStreamingChatModel["_streamResponseChunks"]>
  ): AsyncGenerator<ChatGenerationChunk> {
    const turn = this.turns.shift();
    if (!turn || turn instanceof Error) throw turn ?? new Error("There is no such turn");
    for (const message of turn) {
      const chunk = new ChatGenerationChunk({ message, text: "" });
      yield chunk;
      await manager?.handleLLMNewToken("", undefined, undefined, undefined, undefined, { chunk });
    }
  }
}

type ChunkFields = Exclude<ConstructorParameters<typeof AIMessageChunk>[0], string>;
const chunk = (fields: Partial<ChunkFields>) => new AIMessageChunk({ content: "", ...fields } as ChunkFields);
const args = (index: number, args: string, id?: string, name?: string) =>
  chunk({
    tool_call_chunks: [{ type: "tool_call_chunk", index, args, ...(id && { id }), ...(name && { name }) }],
  });
const usage_metadata = {
  input_tokens: 10,
  output_tokens: 4,
  total_tokens: 14,
  input_token_details: { cache_read: 3 },
  output_token_details: { reasoning: 1 },
};
const usage = { inputTokens: 10, outputTokens: 4, cacheReadTokens: 3, reasoningTokens: 1 };
const counted = () => chunk({ usage_metadata } as never);
const weather = tool(async ({ city }: { city: string }) => ({ city, celsius: -3 }), {
  name: "weather",
  description: "The weather in a city",
  schema: z.object({ city: z.string() }),
});
const broken = tool(
  async () => {
    throw new Error("No such file");
  },
  { name: "broken", description: "Breaks", schema: z.object({}) },
);
const speaker = (...responses: string[]) => {
  const model = new FakeListChatModel({ responses });
  return async ({ messages }: { messages: BaseMessage[] }) => ({ messages: [await model.invoke(messages)] });
};

const ALL = ["messages", "updates", "custom", "tasks"] as const;

interface Streams {
  stream(input: never, options: object): PromiseLike<AsyncIterable<unknown>>;
}

/** A graph as an agent of a hub. */
function adapted(
  graph: Streams,
  modes: object = { streamMode: [...ALL], subgraphs: true },
  options: LangGraphOptions = {},
) {
  return async function* adapted(context: RunContext) {
    const waited = langGraphAnswers(context.entries);
    const resume = waited?.resume ? new Command({ resume: waited.resume }) : null;
    const input = waited ? resume : { messages: [new HumanMessage(String(context.input))] };
    const stream = graph.stream(input as never, {
      ...modes,
      signal: context.signal,
      configurable: { thread_id: context.run },
    });
    yield* fromLangGraph(stream, { ...context, ...options });
  } satisfies AgentFunction;
}

async function played(run: AgentFunction, options?: Parameters<typeof play>[1]) {
  const { run: handle, entries, events } = await play({ name: "adapted", run }, options);
  expectWhole(events);
  const ends = events.filter(isTerminal);
  const of = <Type extends EventType>(type: Type) =>
    events.filter((event) => event.type === type) as unknown[] as EventOf<Type>[];
  return { info: await handle.info(), entries, events, ends, of };
}

/** What the graph's state holds in the end, and what the log says, in one form. */
const held = (messages: readonly BaseMessage[]) => {
  const results = new Map(
    messages.flatMap((message) =>
      message.getType() === "tool" ? [[(message as ToolMessage).tool_call_id, message.text] as const] : [],
    ),
  );
  return messages.flatMap((message): unknown[] => {
    if (message.getType() === "tool") return [];
    const calls = (message as AIMessage).tool_calls ?? [];
    const said = message.text === "" ? [] : [message.text];
    return [...said, ...calls.map(({ id, name, args }) => [id, name, args, results.get(id!)])];
  });
};
const kept = (entries: readonly Entry[]) =>
  toMessages(entries).flatMap(({ parts }) =>
    parts.flatMap((part): unknown[] => {
      if (part.type === "text") return [part.text];
      return part.type === "tool" ? [[part.callId, part.name, part.input, part.output ?? part.error]] : [];
    }),
  );
const types = (events: readonly StreamEvent[]) => events.map(({ type }) => type);

const looksUp = () =>
  [
    chunk({ content: "Let ", id: "m1" }),
    chunk({ content: "me look.", id: "m1" }),
    args(0, "", "c1", "weather"),
    args(0, '{"city":'),
    args(0, '"Oslo"}'),
    args(1, "{}", "c2", "broken"),
    counted(),
  ].map((each) => Object.assign(each, { id: "m1" }));
const answers = () => [chunk({ content: "It is " }), chunk({ content: "cold." }), counted()];

describe("fromLangGraph", () => {
  it("[F34] tells of a loop of tools what the graph's own state holds", async () => {
    const graph = createReactAgent({
      llm: new ChunkModel(looksUp(), answers()),
      tools: [weather, broken],
      checkpointer: new MemorySaver(),
    });
    const { info, entries, events, ends, of } = await played(adapted(graph));
    expect(ends).toHaveLength(1);
    expect(info).toMatchObject({ status: "finished", usage: { inputTokens: 20, outputTokens: 8 } });
    const state = await graph.getState({ configurable: { thread_id: info.run } });
    expect(kept(entries)).toEqual(held(state.values.messages));
    expect(kept(entries)).toHaveLength(5);
    const deltas = of("text.delta").map(({ text }) => text);
    expect(deltas.join("")).toBe("Let me look.It is cold.");
    expect(types(events).filter((type) => !type.endsWith(".delta"))).toEqual([
      "run.started",
      "step.started",
      ...["text.started", "text.finished"],
      ...["tool.started", "tool.started"],
      ...["tool.called", "tool.called"],
      "message",
      "step.finished",
      ...["tool.returned", "tool.failed"],
      "step.started",
      ...["text.started", "text.finished"],
      "message",
      "step.finished",
      "run.finished",
    ]);
    expect(of("step.finished")).toMatchObject([
      { step: 1, finishReason: "tool-calls", usage },
      { step: 2, finishReason: "stop", usage },
    ]);
    expect(of("tool.failed")).toMatchObject([
      { callId: "c2", code: "tool_error", message: expect.stringContaining("No such file") },
    ]);
    expect(of("tool.returned")[0]!.durationMs).toBeGreaterThan(0);
  });

  it.each([
    ["messages", { streamMode: "messages" }, {}],
    ["updates", { streamMode: "updates" }, {}],
    ["values", { streamMode: "values" }, { streamMode: "values" }],
    ["tasks", { streamMode: "tasks" }, { streamMode: "tasks" }],
    ["messages with subgraphs", { streamMode: "messages", subgraphs: true }, {}],
    ["updates with subgraphs", { streamMode: "updates", subgraphs: true }, {}],
    ["messages and tools", { streamMode: ["messages", "tools"] }, {}],
    [
      "every mode at once",
      { streamMode: [...ALL, "values", "tools", "debug", "checkpoints"], subgraphs: true },
      {},
    ],
  ] as const)("[F34] tells the same conversation by %s", async (_, modes, options) => {
    const graph = createReactAgent({
      llm: new ChunkModel(looksUp(), answers()),
      tools: [weather, broken],
      checkpointer: new MemorySaver(),
    });
    const { info, entries, ends } = await played(adapted(graph, modes, options));
    expect(ends).toMatchObject([{ type: "run.finished" }]);
    const state = await graph.getState({ configurable: { thread_id: info.run } });
    expect(kept(entries)).toEqual(held(state.values.messages));
    expect(info.usage).toMatchObject({ inputTokens: 20, outputTokens: 8 });
  });

  it("[F34] tells what a subgraph says once, as its node and on behalf of its task", async () => {
    const child = new StateGraph(MessagesAnnotation)
      .addNode("talk", speaker("From below."))
      .addEdge(START, "talk")
      .compile();
    const graph = new StateGraph(MessagesAnnotation)
      .addNode("child", child)
      .addNode("last", speaker("From above."))
      .addEdge(START, "child")
      .addEdge("child", "last")
      .compile();
    const { entries, events, ends, of } = await played(adapted(graph));
    expect(ends).toHaveLength(1);
    expect(kept(entries)).toEqual(["Hello", "From below.", "From above."]);
    const below = events.filter((event) => event.agent === "child");
    expect(below.every(({ parent }) => parent?.startsWith("child:"))).toBe(true);
    expect(types(below).filter((type) => type !== "text.delta")).toEqual([
      "step.started",
      "text.started",
      "text.finished",
      "message",
      "step.finished",
    ]);
    expect(of("step.finished").map(({ agent, step }) => [agent, step])).toEqual([
      ["child", 1],
      [undefined, 1],
    ]);
  });

  it("[F34] keeps apart what nodes say at the same time", async () => {
    const graph = new StateGraph(MessagesAnnotation)
      .addNode("a", speaker("aaaa"))
      .addNode("b", speaker("bbbb"))
      .addEdge(START, "a")
      .addEdge(START, "b")
      .compile();
    const { entries, ends, of } = await played(adapted(graph));
    expect(ends).toHaveLength(1);
    expect(kept(entries).sort()).toEqual(["Hello", "aaaa", "bbbb"]);
    expect(of("step.started")).toHaveLength(2);
    expect(of("step.finished")).toHaveLength(2);
  });

  it("[F34] waits at interrupts, and goes on with the answers", async () => {
    const asks = async () => {
      const one = interrupt({ question: "Shall I?" });
      const two = interrupt("Sure?");
      return { messages: [new AIMessage(JSON.stringify([one, two]))] };
    };
    const child = new StateGraph(MessagesAnnotation).addNode("ask", asks).addEdge(START, "ask").compile();
    const graph = new StateGraph(MessagesAnnotation)
      .addNode("say", speaker("Well."))
      .addNode("child", child)
      .addNode("other", async () => ({ messages: [new AIMessage(`${interrupt("And you?").approved}`)] }))
      .addEdge(START, "say")
      .addEdge("say", "child")
      .addEdge("say", "other")
      .compile({ checkpointer: new MemorySaver() });
    const answers = [{ approved: true }, { approved: true }, { approved: false, reason: "No" }];
    const { info, entries, ends, of } = await played(adapted(graph), { answers });
    const asked = of("approval.requested").map(({ name, input }) => [name, input]);
    expect(asked.slice(0, 2)).toContainEqual(["ask", { question: "Shall I?" }]);
    expect(asked.slice(0, 2)).toContainEqual(["other", "And you?"]);
    expect(asked[2]).toEqual(["ask", "Sure?"]);
    expect(ends).toMatchObject([{ type: "run.finished" }]);
    const state = await graph.getState({ configurable: { thread_id: info.run } });
    expect(kept(entries).sort()).toEqual(held(state.values.messages).sort());
    expect(kept(entries)).toContain('[{"approved":true},{"approved":false,"reason":"No"}]');
    expect(new Set(of("approval.requested").map(({ approvalId }) => approvalId)).size).toBe(3);
    const ids = entries.flatMap(({ event }) => (event.type === "text.started" ? [event.id] : []));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("[F34] withdraws after a wait what was told before it", async () => {
    const graph = new StateGraph(MessagesAnnotation)
      .addNode("say", async () => ({ messages: [new AIMessage({ id: "x", content: "Oops" })] }))
      .addNode("ask", async () => {
        interrupt("Take it back?");
        return { messages: [new RemoveMessage({ id: "x" })] };
      })
      .addEdge(START, "say")
      .addEdge("say", "ask")
      .compile({ checkpointer: new MemorySaver() });
    expect(kept((await played(adapted(graph), { answers: [] })).entries)).toEqual(["Hello", "Oops"]);
    const { entries } = await played(adapted(graph), { answers: [{ approved: true }] });
    expect(kept(entries)).toEqual(["Hello"]);
  });

  it("[F34] waits at a breakpoint, and goes on from it with a call that was open", async () => {
    const graph = createReactAgent({
      llm: new ChunkModel([args(0, '{"city":"Oslo"}', "c1", "weather")], answers()),
      tools: [weather],
      interruptBefore: ["tools"],
      checkpointer: new MemorySaver(),
    });
    const { info, entries, of } = await played(adapted(graph), { answers: [{ approved: true }] });
    expect(of("approval.requested")).toMatchObject([{ name: "breakpoint", input: null }]);
    expect(info.status).toBe("finished");
    expect(of("tool.returned")).toMatchObject([{ callId: "c1", name: "weather" }]);
    expect(of("step.started").map(({ step }) => step)).toEqual([1, 2]);
    const state = await graph.getState({ configurable: { thread_id: info.run } });
    expect(kept(entries)).toEqual(held(state.values.messages));
  });

  it("[F34] tells custom data and structured responses", async () => {
    const state = Annotation.Root({ structuredResponse: Annotation<{ sum: number }>() });
    const graph = new StateGraph(state)
      .addNode("work", async (_, config: LangGraphRunnableConfig) => {
        config.writer?.({ done: 0.5 });
        return { structuredResponse: { sum: 3 } };
      })
      .addEdge(START, "work")
      .compile();
    const { of } = await played(adapted(graph));
    expect(of("custom")).toEqual([{ type: "custom", name: "langgraph.custom", data: { done: 0.5 } }]);
    expect(of("run.finished")).toMatchObject([{ output: { sum: 3 } }]);
  });

  it("[F34] withdraws a message that is removed, and tells one anew that is replaced", async () => {
    const graph = new StateGraph(MessagesAnnotation)
      .addNode("say", async () => ({
        messages: [
          new AIMessage({ id: "x", content: "Oops" }),
          new AIMessage({ id: "y", content: "Secret" }),
        ],
      }))
      .addNode("mend", async () => ({
        messages: [new RemoveMessage({ id: "x" }), new AIMessage({ id: "y", content: "Hidden" })],
      }))
      .addEdge(START, "say")
      .addEdge("say", "mend")
      .compile({ checkpointer: new MemorySaver() });
    const { info, entries } = await played(adapted(graph));
    const state = await graph.getState({ configurable: { thread_id: info.run } });
    expect(kept(entries)).toEqual(["Hello", "Hidden"]);
    expect(held(state.values.messages)).toEqual(["Hello", "Hidden"]);
  });

  it("[F34] streams thoughts apart from text", async () => {
    const model = new ChunkModel([
      chunk({ content: [{ type: "thinking", thinking: "Hm" }], id: "m" }),
      chunk({ content: [{ type: "reasoning", reasoning: "." }], id: "m" }),
      chunk({ content: [{ type: "text", text: "Yes" }], id: "m" }),
      chunk({
        content: [{ type: "text", text: "." }],
        id: "m",
        response_metadata: { finish_reason: "length", model_name: "gpt-x" },
      }),
    ]);
    const { entries, of } = await played(adapted(createReactAgent({ llm: model, tools: [] })));
    expect(toMessages(entries).at(-1)!.parts).toEqual([
      { type: "reasoning", text: "Hm." },
      { type: "text", text: "Yes." },
    ]);
    expect(of("step.finished")).toMatchObject([{ finishReason: "length", model: "gpt-x", usage: null }]);
  });

  it("[F34] ends as cancelled when the run is", async () => {
    const graph = new StateGraph(MessagesAnnotation)
      .addNode("slow", async (_, config: LangGraphRunnableConfig) => {
        config.writer?.("begun");
        await new Promise((resolve) => config.signal?.addEventListener("abort", resolve));
        return {};
      })
      .addEdge(START, "slow")
      .compile();
    await using hub = await createHub({ store: memoryStore(), agents: [adapted(graph)] });
    const { run } = await hub.start({ input: "Hello" });
    for await (const { event } of run) if (event.type === "custom") await run.cancel();
    const events = (await run.log.entries()).map(({ event }) => event);
    expect(events.filter(isTerminal)).toMatchObject([{ type: "run.cancelled" }]);
  });

  it.each([
    ["a model that is down", "model_error", new Error("The model is down")],
    [
      "a provider that says it is too much",
      "rate_limited",
      Object.assign(new Error("Slow down"), { status: 429 }),
    ],
  ])("[F34] fails by %s", async (_, code, error) => {
    const graph = createReactAgent({ llm: new ChunkModel(error), tools: [] });
    const { ends } = await played(adapted(graph));
    expect(ends).toMatchObject([{ type: "run.failed", code, message: error.message }]);
  });

  it("[F34] fails with `limit_exceeded` at the graph's own limit, and closes what it had open", async () => {
    const turn = () => [args(0, '{"city":"Oslo"}', "c", "weather")];
    const graph = createReactAgent({ llm: new ChunkModel(turn(), turn(), turn()), tools: [weather] });
    const { ends, of } = await played(adapted(graph, { streamMode: [...ALL], recursionLimit: 2 }));
    expect(ends).toMatchObject([{ type: "run.failed", code: "limit_exceeded" }]);
    expect(of("tool.called")).toHaveLength(of("tool.returned").length + of("tool.failed").length);
  });

  it("[F34] fails with `aborted` for an abort that is not the run's", async () => {
    const own = new AbortController();
    const graph = new StateGraph(MessagesAnnotation)
      .addNode("slow", async (_, config: LangGraphRunnableConfig) => {
        own.abort();
        await new Promise((resolve) => config.signal?.addEventListener("abort", resolve));
        return {};
      })
      .addEdge(START, "slow")
      .compile();
    async function* agent(context: RunContext) {
      yield* fromLangGraph(
        graph.stream({ messages: [] }, { streamMode: [...ALL], signal: own.signal }),
        context,
      );
    }
    expect((await played(agent)).ends).toMatchObject([{ type: "run.failed", code: "aborted" }]);
  });

  it("[F34] leaves the graph when its reader leaves, and reads no further than it", async () => {
    let pulled = 0;
    let left = false;
    async function* source() {
      try {
        for (const content of ["a", "b", "c"]) {
          pulled++;
          yield ["messages", [chunk({ content, id: "m" }), {}]];
        }
      } finally {
        left = true;
      }
    }
    for await (const { type } of fromLangGraph(source())) if (type === "text.delta") break;
    expect(pulled).toBe(1);
    expect(left).toBe(true);
  });

  it("[F34] tells nothing of what was in the thread before the run", async () => {
    const graph = createReactAgent({
      llm: new ChunkModel(answers(), answers()),
      tools: [],
      checkpointer: new MemorySaver(),
    });
    const thread = { configurable: { thread_id: "t" } };
    await graph.invoke({ messages: [new HumanMessage("Before")] }, thread);
    const said: AgentEvent[] = [];
    const streamMode = [...ALL, "values" as const];
    const stream = await graph.stream({ messages: [new HumanMessage("Now")] }, { streamMode, ...thread });
    for await (const event of fromLangGraph(stream)) said.push(event);
    expect(kept(said.map((event, index) => ({ seq: index + 1, at: 0, event })))).toEqual(["It is cold."]);
  });
});

describe("fromLangGraph, of chunks as they come,", () => {
  it("[F34] refuses what is no chunk, and says what to do", async () => {
    await expect(translated(["text"])).rejects.toThrow(
      'Cannot tell the stream mode of "text": pass { streamMode }',
    );
    await expect(translated([new Uint8Array(1)])).rejects.toThrow('without "encoding"');
    await expect(translated([{}], { streamMode: "nonsense" as never })).rejects.toThrow('of mode "nonsense"');
  });

  it("[F34] takes any data in the mode it is told", async () => {
    const data = ["text", 1, null, ["updates", { a: 1 }], [[], 2]];
    const events = await translated(data, { streamMode: "custom" });
    expect(events).toMatchObject([
      { data: "text" },
      { data: 1 },
      { data: null },
      { data: ["updates", { a: 1 }] },
      { data: 2 },
    ]);
  });

  it("[F34] closes what is open, wherever the stream ends or breaks off", async () => {
    const graph = createReactAgent({ llm: new ChunkModel(looksUp(), answers()), tools: [weather, broken] });
    const question = { messages: [new HumanMessage("Hello")] };
    const whole = await Array.fromAsync(
      await graph.stream(question, { streamMode: [...ALL], subgraphs: true }),
    );
    expect(whole.length).toBeGreaterThan(15);
    for (let length = 0; length <= whole.length; length++) {
      async function* torn() {
        yield* whole.slice(0, length);
        throw new Error("Broken off");
      }
      const { events, error } = await collect(fromLangGraph(torn()));
      expect(error).toMatchObject({ code: "model_error", message: "Broken off" });
      expectWhole(events);
      const ended = await collect(fromLangGraph(ReadableStream.from(whole.slice(0, length))));
      const steps = ended.events.filter(({ type }) => type === "step.started" || type === "step.finished");
      expect(steps.length % 2).toBe(0);
    }
  });

  it("[F34] takes garbage for what it is: nothing", async () => {
    const modes = ["messages", "updates", "values", "tasks", "tools", "debug", "checkpoints"];
    const garbage = [
      null,
      1,
      "x",
      [],
      [null],
      {},
      { a: null },
      { __interrupt__: "x" },
      { id: 1, result: [null] },
      [{ type: "ai", content: 5 }, null],
    ];
    const events = await translated(modes.flatMap((mode) => garbage.map((data) => [mode, data])));
    expect(events.filter(({ type }) => type === "tool.called" || type.startsWith("text"))).toEqual([]);
  });

  it("[F34] fails a call with arguments that are no JSON", async () => {
    const message = new AIMessage({
      id: "m",
      content: "",
      invalid_tool_calls: [
        { type: "invalid_tool_call", id: "c", name: "weather", args: "{", error: "Malformed" },
      ],
    });
    const events = await translated([["updates", { agent: { messages: [message] } }]]);
    expect(events.filter(({ type }) => type.startsWith("tool."))).toMatchObject([
      { type: "tool.started" },
      { type: "tool.called", input: "{" },
      { type: "tool.failed", code: "invalid_input", message: "Malformed" },
    ]);
  });

  it("[F34] marks all that it says with the agent and the parent it is given", async () => {
    const events = await translated([["messages", [chunk({ content: "a", id: "m" }), {}]]], {
      agent: "sub",
      parent: "c1",
    });
    expect(events.length).toBeGreaterThan(4);
    expect(events.every(({ agent, parent }) => agent === "sub" && parent === "c1")).toBe(true);
  });
});

/** The events of what a graph might stream. */
async function translated(
  chunks: readonly unknown[],
  options: LangGraphOptions = {},
): Promise<readonly AgentEvent[]> {
  const { events, error } = await collect(fromLangGraph(ReadableStream.from(chunks), options));
  if (error) throw error;
  expectWhole(events);
  return events;
}
