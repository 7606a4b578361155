import { describe, expect, test } from "vitest";
import type { StreamEvent } from "../events.ts";
import { Printer } from "./print.ts";
import { escapeControls, oneLine, strip } from "./strip.ts";
import { sayAgo, sayCost, sayDuration } from "./words.ts";
import { WordsOnly } from "./words-only.ts";

type Show = { apply(entry: { seq: number; at: number; event: StreamEvent }): string };

/** What is shown of these events, each 100 ms after the one before. */
function shown(events: readonly StreamEvent[], show: Show): string {
  return events.map((event, index) => show.apply({ seq: index + 1, at: index * 100, event })).join("");
}

const pretty = (events: readonly StreamEvent[]) => shown(events, new Printer({ run: "r1" }));
const started: StreamEvent = { type: "run.started", v: 1, agent: "demo", input: "What is\n17%?" };
const text = (id: string, piece: string): StreamEvent => ({ type: "text.delta", id, text: piece });

describe("the pretty printer", () => {
  test("shows a run with thoughts, a tool and an answer", () => {
    const events: StreamEvent[] = [
      started,
      { type: "step.started", step: 1 },
      { type: "reasoning.started", id: "1" },
      { type: "reasoning.delta", id: "1", text: "Let me " },
      { type: "reasoning.delta", id: "1", text: "think" },
      { type: "reasoning.finished", id: "1" },
      { type: "tool.called", callId: "c", name: "calculator", input: { expression: "17%" } },
      { type: "tool.returned", callId: "c", name: "calculator", output: 397.8, durationMs: 12.4 },
      { type: "text.started", id: "2" },
      text("2", "It is "),
      text("2", "397.8.\n\nWell"),
      { type: "text.finished", id: "2" },
      {
        type: "run.finished",
        cost: 0.00123,
        usage: { inputTokens: 1200, outputTokens: 40 },
      },
    ];
    expect(pretty(events)).toBe(`run r1 · demo
> What is 17%?
Let me think
→ calculator {"expression":"17%"}
← calculator 12 ms 397.8
It is 397.8.

Well
finished · 1 step · 1,200 tokens in, 40 out · $0.0012 · 1.2 s
`);
  });

  test("says what a retry withdraws", () => {
    const retried: StreamEvent = {
      type: "step.retried",
      step: 1,
      attempt: 1,
      code: "overloaded",
      message: "try\nlater",
    };
    expect(pretty([text("1", "It is for"), retried, text("2", "It is 5")])).toBe(
      "It is for\n↺ attempt 1 failed (overloaded: try later): what it said above is withdrawn\nIt is 5",
    );
  });

  test("puts the texts of two agents on lines of their own, with their names", () => {
    const events = [text("1", "one"), { ...text("2", "two"), agent: "other" }, text("1", " more")];
    expect(pretty(events)).toBe("one\n[other] two\n more");
  });

  test("shows a whole message once: not where it has streamed before", () => {
    const message = (id: string, words: string): StreamEvent => ({
      type: "message",
      message: { id, role: "assistant", parts: [{ type: "text", text: words }] },
    });
    const events: StreamEvent[] = [
      { type: "text.started", id: "1", messageId: "m1" },
      text("1", "streamed"),
      { type: "text.finished", id: "1" },
      message("m1", "streamed"),
      message("m2", "whole"),
    ];
    expect(pretty(events)).toBe("streamed\nwhole\n");
  });

  test("shows the output of a run that said nothing", () => {
    expect(pretty([{ type: "run.finished", cost: 0, output: { answer: 42 } }])).toBe(
      '{\n  "answer": 42\n}\nfinished · 0 ms\n',
    );
  });

  test("says how a run failed and how it was cancelled", () => {
    expect(pretty([{ type: "run.failed", code: "timeout", message: "too\nlong", cost: null }])).toBe(
      "failed: timeout: too long · 0 ms\n",
    );
    expect(
      pretty([
        { type: "input.cancel", by: "eve" },
        { type: "run.cancelled", cost: 0, reason: "enough" },
      ]),
    ).toBe("cancel was asked for by eve\ncancelled: enough · 100 ms\n");
  });

  test("lets events pass that it does not know", () => {
    expect(pretty([{ type: "new.happened" } as unknown as StreamEvent])).toBe("");
  });

  test("whatever an event holds, no control sequence gets out of it, also cut in two", () => {
    const bad = "\x1b]0;t\x07\x9b2J\u202e\r\x00\x7f";
    const events = [
      { type: "run.started", v: 1, agent: bad, input: bad },
      { type: "agent.changed", from: bad, to: bad },
      text("1", "a\x1b"),
      text("1", "[2Jb"),
      { type: "reasoning.delta", id: "2", text: bad },
      { type: "message", message: { id: "m", role: "assistant", parts: [{ type: "text", text: bad }] } },
      { type: "source", id: "s", title: bad, url: bad },
      { type: "file", id: "f", mediaType: bad, url: bad },
      { type: "tool.called", callId: "c", name: bad, input: { [bad]: bad } },
      { type: "tool.returned", callId: "c", name: bad, output: bad, durationMs: 1 },
      { type: "tool.failed", callId: "c", name: bad, code: bad, message: bad },
      { type: "approval.requested", approvalId: bad, callId: "c", name: bad, input: bad, reason: bad },
      { type: "input.approval", approvalId: bad, approved: true, by: bad, reason: bad },
      { type: "input.message", message: { id: "m", role: "user", parts: [{ type: "text", text: bad }] } },
      { type: "input.cancel", by: bad, reason: bad },
      { type: "plan", items: [{ id: "1", title: bad, status: "pending" }] },
      { type: "artifact", id: "a", action: "created", name: bad },
      { type: "error", code: bad, message: bad },
      { type: "custom", name: bad, data: bad, agent: bad },
      { type: "step.retried", step: 1, attempt: 1, code: bad, message: bad },
      { type: "run.finished", cost: 0, output: bad },
      { type: "run.failed", cost: 0, code: bad, message: bad },
      { type: "run.cancelled", cost: 0, reason: bad },
    ] as StreamEvent[];
    const lines = pretty(events).replaceAll("\n", "");
    expect(lines).toContain("a[2Jb");
    expect(lines).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
    for (const live of [true, false]) {
      const words = shown(events, new WordsOnly({ live })).replaceAll("\n", "");
      expect(words).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
    }
  });
});

describe("nothing but words", () => {
  const events: StreamEvent[] = [
    started,
    { type: "step.started", step: 1 },
    text("1", "It is for"),
    { type: "step.retried", step: 1, attempt: 1, code: "overloaded", message: "later" },
    text("2", "It is 5"),
    { type: "step.finished", step: 1, finishReason: "stop", usage: null, cost: null },
    { type: "step.started", step: 2 },
    text("3", "And 6"),
    { type: "run.finished", cost: 0 },
  ];

  test("to a pipe what a retry withdrew is never said", () => {
    expect(shown(events, new WordsOnly({ live: false }))).toBe("It is 5\nAnd 6\n");
  });

  test("what is held back when nothing more will come is said", () => {
    const words = new WordsOnly({ live: false });
    expect(shown([text("1", "so far")], words)).toBe("");
    expect(words.break() + words.break()).toBe("so far\n");
  });

  test("on a terminal words come as they are said", () => {
    expect(shown(events, new WordsOnly({ live: true }))).toBe("It is for\nIt is 5\nAnd 6\n");
  });
});

describe("words", () => {
  test("durations, costs and times are short", () => {
    expect([0.4, 999, 3_210, 59_949, 59_950, 125_000, 3_780_000].map(sayDuration)).toEqual([
      "0 ms",
      "999 ms",
      "3.2 s",
      "59.9 s",
      "1 min 0 s",
      "2 min 5 s",
      "1 h 3 min",
    ]);
    expect([null, 0, 0.0000123, 0.00456, 1.5].map(sayCost)).toEqual([
      "cost unknown",
      "$0",
      "$0.000012",
      "$0.0046",
      "$1.50",
    ]);
    expect([-5, 5_000, 125_000, 7_300_000, 200_000_000].map(sayAgo)).toEqual([
      "0 s ago",
      "5 s ago",
      "2 min ago",
      "2 h ago",
      "2 d ago",
    ]);
  });

  test("text for a terminal keeps tabs and lines; one line keeps neither, and is cut between characters", () => {
    expect(strip("a\tb\nc\x1b[0m")).toBe("a\tb\nc[0m");
    expect(oneLine(" a\tb\r\nc  ")).toBe("a b c");
    expect(oneLine("abcdef", 4)).toBe("abc…");
    expect(oneLine("ab😀cd", 4)).toBe("ab\ufffd…");
  });

  test("JSON for a terminal is the same JSON", () => {
    const json = JSON.stringify({ text: "\x1b\x9b\u202e\n\x7f" });
    expect(escapeControls(json)).not.toMatch(/[\p{Cc}\u202e]/u);
    expect(JSON.parse(escapeControls(json))).toEqual(JSON.parse(json));
  });
});
