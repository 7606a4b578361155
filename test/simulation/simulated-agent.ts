import type { AgentLike, RunContext } from "../../src/agent.ts";
import { type AgentEvent, event, type StreamEvent } from "../../src/events.ts";
import { wait } from "../../src/internal/wait.ts";
import type { Random } from "../support/seed.ts";
import { Violation } from "./invariants.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import { sourceText, type Task } from "./sources.ts";
import type { Weather } from "./weather.ts";

/** One agent at work: what it said, and whether it noticed that it was to stop. */
export interface Labour {
  readonly id: number;
  readonly run: string;
  readonly process: SimulatedProcess;
  /** Marks it yielded. */
  marks: number;
  /** Characters of deltas that the hub took from it, and those of them that were committed. */
  chars: number;
  committed: number;
  /** The ids of the messages that it was given. */
  readonly heard: Set<string>;
  aborted: boolean;
  over: boolean;
}

export interface SimulatedAgentOptions {
  readonly name: string;
  readonly onProducerLost: "fail" | "resume";
  readonly process: SimulatedProcess;
  readonly weather: Weather;
  readonly random: Random;
  readonly labours: Labour[];
  readonly violate: (violation: Violation) => void;
}

/** What may be in flight, and as much that waits; with each, the delta that went over the limit. */
const MOST_AHEAD = 2 * (64 * 1024 + 2_000);
/** A commit takes a few ms; after trouble it may first be waited for, and tried again. */
const MOMENT_MS = 100;
const CALM_MS = 5_000;

/** An agent that works off a {@linkcode Task}, and goes on from its log with what is left of it. */
export function simulatedAgent(options: SimulatedAgentOptions): AgentLike {
  return {
    name: options.name,
    onProducerLost: options.onProducerLost,
    run: (context) => work(context, options),
  };
}

async function* work(
  context: RunContext,
  { process, weather, random, labours, violate }: SimulatedAgentOptions,
): AsyncGenerator<AgentEvent, void, undefined> {
  const { run, signal, entries } = context;
  const task = JSON.parse(context.input as string) as Task;
  const labour: Labour = {
    id: labours.length,
    run,
    process,
    marks: 0,
    chars: 0,
    committed: 0,
    heard: new Set(),
    aborted: signal.aborted,
    over: false,
  };
  labours.push(labour);
  signal.addEventListener("abort", () => {
    labour.aborted = true;
  });
  const mark = () =>
    event.custom({ name: "sim.mark", data: { run, labour: labour.id, mark: labour.marks++ } });
  const events = entries.map((entry) => entry.event);
  const hear = (messages: readonly StreamEvent[]) => {
    for (const each of messages) if (each.type === "input.message") labour.heard.add(each.message.id);
  };
  hear(events);
  const done = Math.max(
    0,
    ...events.map((each) => (each.type === "step.finished" && each.finishReason === "stop" ? each.step : 0)),
  );
  const asked = events.some((each) => each.type === "approval.requested");
  const ask = () =>
    event.approvalRequested({ approvalId: `a-${run}`, callId: `c-${run}`, name: "deploy", input: { run } });
  try {
    if (task.ask !== undefined && done >= task.ask && !asked) {
      yield ask();
      return;
    }
    for (let step = done + 1; step <= task.steps; step++) {
      hear(context.takeMessages());
      yield event.stepStarted({ step });
      yield mark();
      const id = `${step}`;
      yield event.textStarted({ id });
      const text = sourceText(run, step, task.words);
      for (let from = 0; from < text.length; ) {
        if (random.chance(0.5)) {
          const pauseMs = random.next() * task.pauseMs;
          await wait(pauseMs, task.deaf ? undefined : signal);
          const atWork = !labour.aborted && labours.findLast((each) => each.run === run) === labour;
          const soon = pauseMs >= MOMENT_MS && weather.calmMs >= CALM_MS;
          // Half of a character waits for the other.
          if (atWork && soon && labour.chars - labour.committed > 1)
            violate(new Violation(19, `${pauseMs} ms later some of what was said in ${run} was not`));
        }
        const to = from + random.between(1, task.words > 100 ? 2_000 : 20);
        yield event.textDelta({ id, text: text.slice(from, to) });
        labour.chars += Math.min(to, text.length) - from;
        const ahead = labour.chars - labour.committed;
        if (ahead > MOST_AHEAD)
          violate(new Violation(13, `an agent of ${run} was ${ahead} characters ahead`));
        from = to;
        if (step === task.fail) throw new Error("The agent broke");
      }
      yield event.textFinished({ id });
      const call = { callId: `${step}.${labour.id}`, name: "clock" };
      yield event.toolCalled({ ...call, input: { run } });
      yield mark();
      yield event.toolReturned({ ...call, output: "noon", durationMs: 1 });
      yield event.stepFinished({
        step,
        finishReason: "stop",
        usage: { inputTokens: 10, outputTokens: task.words },
        cost: 0.25,
      });
      if (step === task.ask && !asked) {
        yield ask();
        return;
      }
    }
    hear(context.takeMessages());
  } finally {
    labour.over = true;
  }
}
