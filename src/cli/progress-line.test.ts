import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StreamEvent } from "../events.ts";
import { ProgressLine } from "./progress-line.ts";
import { Screen } from "./screen.fixture.ts";

/** A line with a clock and a width of a test's own, on a screen that shows what it makes of it. */
function open({ columns = 80, rows = 24 } = {}) {
  let now = 0;
  const screen = new Screen(columns, rows);
  const line = new ProgressLine({ columns: () => columns, now: () => now });
  let seq = 0;
  return {
    screen,
    line,
    /** Goes on by so many ms. */
    wait: (ms: number) => {
      now += ms;
      screen.write(line.draw());
    },
    event: (event: StreamEvent) => line.apply({ seq: ++seq, at: 5_000 + now, event }),
    say: (text: string) => screen.write(line.around(text)),
    get now() {
      return now;
    },
  };
}

const started: StreamEvent = { type: "run.started", v: 1, agent: "demo", input: "hello" };
const step: StreamEvent = { type: "step.started", step: 1 };
const delta = (text: string): StreamEvent => ({ type: "text.delta", id: "1", text });
const stepFinished: StreamEvent = {
  type: "step.finished",
  step: 1,
  finishReason: "tool-calls",
  usage: { inputTokens: 100, outputTokens: 90 },
  cost: 0.0012,
  ttftMs: 200,
  durationMs: 2_000,
};

describe("the progress line", () => {
  test("says step and time before there is anything else to say", () => {
    const { event, wait, screen } = open();
    event(started);
    event(step);
    wait(1_500);
    expect(screen.text).toBe("step 1 · 1.5 s");
  });

  test("tells an estimate of the tokens until the provider tells the truth, and then the cost", () => {
    const { event, wait, screen } = open();
    event(started);
    event(step);
    event(delta("x".repeat(40)));
    wait(1_000);
    event(delta("x".repeat(160)));
    wait(100);
    expect(screen.text).toBe("step 1 · ~50 tokens · 50 tokens/s · 1.1 s");
    event(stepFinished);
    wait(100);
    expect(screen.text).toBe("step 1 · 90 tokens · 50 tokens/s · $0.0012 · 1.2 s");
    event({ ...stepFinished, type: "step.started", step: 2 } as StreamEvent);
    event(delta("x".repeat(40)));
    wait(100);
    expect(screen.text).toBe("step 2 · ~100 tokens · 50 tokens/s · $0.0012 · 1.3 s");
  });

  test("does not count what a retry withdraws", () => {
    const { event, wait, screen } = open();
    event(started);
    event(step);
    event(delta("x".repeat(400)));
    event({ type: "step.retried", step: 1, attempt: 1, code: "overloaded", message: "try later" });
    wait(100);
    expect(screen.text).toBe("step 1 · 100 ms");
  });

  test("stands below a line that text is in the middle of, and text goes on where it was", () => {
    const { event, wait, say, screen } = open();
    event(started);
    say("The answer");
    wait(100);
    expect(screen.text).toBe("The answer\n100 ms");
    say(" is 42");
    expect(screen.text).toBe("The answer is 42\n100 ms");
    say(".\nNext");
    expect(screen.text).toBe("The answer is 42.\nNext");
    wait(100);
    expect(screen.text).toBe("The answer is 42.\nNext\n200 ms");
  });

  test("is drawn at most ten times a second, and not at all while nothing changes", () => {
    const { event, line, say, now } = open();
    event(started);
    expect(line.draw()).not.toBe("");
    expect(line.draw()).toBe("");
    say("\n\n");
    expect(line.draw()).toBe("");
    expect(now).toBe(0);
  });

  test("is gone when the run ends, waits for a person, or something else is to be written", () => {
    const { event, line, wait, screen, say } = open();
    event(started);
    say("half a line");
    wait(100);
    screen.write(line.hide("\n")).write("a notice\n");
    expect(screen.text).toBe("half a line\na notice");
    wait(100);
    expect(screen.text).toBe("half a line\na notice\n200 ms");
    event({ type: "approval.requested", approvalId: "a", callId: "c", name: "rm", input: {} });
    wait(100);
    expect(screen.text).toBe("half a line\na notice");
    event({ type: "input.approval", approvalId: "a", approved: true });
    wait(100);
    expect(screen.text).toBe("half a line\na notice\n400 ms");
    event({ type: "run.finished", cost: 0 });
    say("finished\n");
    wait(100);
    expect(screen.text).toBe("half a line\na notice\nfinished");
  });

  test("fits a narrow window", () => {
    const { event, wait, screen } = open({ columns: 12 });
    event(started);
    event(step);
    wait(61_000);
    expect(screen.text).toBe("step 1 · 1");
  });

  test("never mixes with the text, whatever that is, however narrow the window", () => {
    const texts = fc.oneof(
      fc.stringMatching(/^[a-z .,]{0,14}$/),
      fc.constantFrom("\n", "\n\n", "a\nb", "\x1b[2mdim\x1b[22m", "café – “so”", "日本語", "🧮", "\t", "é"),
    );
    const acts = fc.array(fc.oneof(texts, fc.integer({ min: 0, max: 150 }), fc.constant(null)), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(
        acts,
        fc.integer({ min: 4, max: 20 }),
        fc.integer({ min: 2, max: 4 }),
        (all, columns, rows) => {
          const { event, wait, say, line, screen } = open({ columns, rows });
          const bare = new Screen(columns, rows);
          let longest = 0;
          event(started);
          for (const act of all) {
            if (typeof act === "string") {
              say(act);
              bare.write(act);
            } else if (act === null) {
              screen.write(line.hide("\n"));
              bare.write("\n");
            } else wait(act);
            longest = Math.max(longest, screen.text.length);
            // Whatever the line is, the text above it is whole.
            expect(screen.text.startsWith(bare.text)).toBe(true);
            expect(screen.text.slice(bare.text.length).trim()).toMatch(/^[\d\w.~ ·]*$/);
          }
          screen.write(line.hide());
          expect(screen.text).toBe(bare.text);
        },
      ),
      { numRuns: 500 },
    );
  });
});
