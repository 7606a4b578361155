import { describe, expect, test } from "vitest";
import { Http } from "../client/http.ts";
import type { EventOf } from "../events.ts";
import { Approvals, type ApprovalsOptions } from "./approvals.ts";

const asked: EventOf<"approval.requested"> = {
  type: "approval.requested",
  approvalId: "a",
  callId: "c",
  name: "rm",
  input: {},
};

type Answer = () => Response;

const down: Answer = () => {
  throw new TypeError("fetch failed");
};
const stopping: Answer = () => Response.json({ code: "stopping", detail: "It stops" }, { status: 503 });
const waiting: Answer = () => Response.json({ run: "r", status: "waiting" });
const taken: Answer = () => Response.json({ cursor: "2-c" }, { status: 202 });

/** A run that waits, at a server that gives these answers in turn. */
function scene(answers: readonly Answer[], options: Partial<ApprovalsOptions> = {}) {
  const left = [...answers];
  const sent: unknown[] = [];
  const questions: string[] = [];
  const done = Promise.withResolvers<void>();
  const approvals = new Approvals({
    http: new Http({
      url: "http://server.test",
      fetch: async (_url, init) => {
        const answer = left.shift()!;
        if (left.length === 0) done.resolve();
        if (init?.method === "POST") sent.push(JSON.parse(String(init.body)));
        return answer();
      },
    }),
    run: "r",
    onUnanswered: () => {},
    ask: async (question) => {
      questions.push(question);
      return true;
    },
    wait: async () => {},
    ...options,
  });
  approvals.update(new Map([["a", asked]]), true);
  return { done: done.promise, sent, questions };
}

const approval = { type: "input.approval", approvalId: "a", approved: true };

describe("approvals", () => {
  test("an answer that did not arrive is sent again, and nobody is asked twice", async () => {
    const { done, sent, questions } = scene([waiting, down, stopping, waiting, stopping, waiting, taken]);
    await done;
    expect(sent).toEqual([approval, approval, approval]);
    expect(questions).toHaveLength(1);
  });

  test("a server that is away for a moment does not keep the word that nobody answers", async () => {
    const told = Promise.withResolvers<EventOf<"approval.requested">>();
    scene([down, waiting], { ask: undefined, onUnanswered: told.resolve });
    expect(await told.promise).toEqual(asked);
  });
});
