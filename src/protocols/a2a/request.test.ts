import { describe, expect, it } from "vitest";
import { type EventOf, event, type Json } from "../../events.ts";
import { answersIn } from "./answers.ts";
import { checkParams } from "./request.ts";

describe("a request of A2A", () => {
  // What the SDK makes a text of, and fails on.
  const odd = { toString: 1 };
  const message = { messageId: "m", role: "ROLE_USER", parts: [{ text: "Hi" }] };

  it("is refused by name for a tenant, an extension or a task that is no text", () => {
    const refusal = (params: object) => () => checkParams("SendMessage", params, "1.0");
    expect(refusal({ message, tenant: odd })).toThrow("tenant must be a text");
    expect(refusal({ message: { ...message, extensions: [odd] } })).toThrow('"message.extensions" must be');
    expect(refusal({ message: { ...message, referenceTaskIds: [odd] } })).toThrow("referenceTaskIds");
    expect(refusal({ message: { ...message, extensions: ["x"], referenceTaskIds: null } })).not.toThrow();
  });

  it("[F20] that answers an approval twice gives no answer", () => {
    const asked: EventOf<"approval.requested"> = event.approvalRequested({
      approvalId: "a",
      callId: "c",
      name: "rm",
      input: {},
    });
    const answer = (approved: boolean) => ({
      type: "data" as const,
      data: { approvalId: "a", approved } as Json,
    });
    const parts = [answer(true), answer(false)];
    const questions = new Map([["a", asked]]);
    expect(() => answersIn({ id: "m", role: "user", parts }, questions)).toThrow("answered twice");
  });
});
