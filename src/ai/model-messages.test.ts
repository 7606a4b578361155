import { expect, test } from "vitest";
import type { Message, Part } from "../events.ts";
import { toModelMessages } from "./model-messages.ts";

const assistant = (...parts: Part[]): Message => ({ id: "a", role: "assistant", parts });
const call = { type: "tool" as const, callId: "c1", name: "look", input: { at: 1 } };

test("a call is the assistant's, its answer a message of its own", () => {
  const messages = toModelMessages([
    assistant({ type: "text", text: "Let me see." }, { ...call, output: { seen: true } }),
  ]);
  expect(messages).toEqual([
    {
      role: "assistant",
      content: [
        { type: "text", text: "Let me see." },
        { type: "tool-call", toolCallId: "c1", toolName: "look", input: { at: 1 } },
      ],
    },
    {
      role: "tool",
      content: [
        {
          type: "tool-result",
          toolCallId: "c1",
          toolName: "look",
          output: { type: "json", value: { seen: true } },
        },
      ],
    },
  ]);
});

test.each([
  [{ output: "plain" }, { type: "text", value: "plain" }],
  [{ output: null }, { type: "json", value: null }],
  [{ error: "no luck" }, { type: "error-text", value: "no luck" }],
  [{}, { type: "error-text", value: "The call was interrupted: it has no result" }],
])("an answer %j is %j", (answer, output) => {
  expect(toModelMessages([assistant({ ...call, ...answer })])[1]).toMatchObject({ content: [{ output }] });
});

test("arguments that are no object are told as none: providers take nothing else", () => {
  expect(toModelMessages([assistant({ ...call, input: '{"at":', error: "no JSON" })])[0]).toMatchObject({
    content: [{ input: {} }],
  });
});

test("what people sent: text, data as JSON, files by their bytes or their place", () => {
  const parts: Part[] = [
    { type: "text", text: "Hi" },
    { type: "data", data: { a: 1 } },
    { type: "file", mediaType: "image/png", data: "aGk=", name: "hi.png" },
    { type: "file", mediaType: "image/png", url: "https://example.com/a.png" },
  ];
  expect(toModelMessages([{ id: "u", role: "user", parts }])).toEqual([
    {
      role: "user",
      content: [
        { type: "text", text: "Hi" },
        { type: "text", text: '{"a":1}' },
        { type: "file", mediaType: "image/png", data: "aGk=", filename: "hi.png" },
        { type: "file", mediaType: "image/png", data: new URL("https://example.com/a.png") },
      ],
    },
  ]);
});

test("a message without parts is left out", () => {
  expect(toModelMessages([{ id: "u", role: "user", parts: [] }, assistant()])).toEqual([]);
});

test("thoughts go back with their signature, and not to a provider that did not sign them", () => {
  const thought: Part = {
    type: "reasoning",
    text: "Hm",
    providerMetadata: { anthropic: { signature: "s" } },
  };
  const told = { type: "reasoning", text: "Hm", providerOptions: { anthropic: { signature: "s" } } };
  const message = assistant(thought, { type: "text", text: "Hi" });
  expect(toModelMessages([message], "anthropic")[0]?.content).toContainEqual(told);
  expect(toModelMessages([message], "openai")[0]?.content).toEqual([{ type: "text", text: "Hi" }]);
  expect(toModelMessages([message], "openai-compatible")[0]?.content).toContainEqual(told);
});

test("a provider's own call goes back as one, with its result beside it", () => {
  const metadata = { openai: { itemId: "i" }, runlog: { byProvider: true } };
  const providerOptions = { openai: { itemId: "i" } };
  expect(toModelMessages([assistant({ ...call, output: 7, providerMetadata: metadata })])).toMatchObject([
    {
      role: "assistant",
      content: [
        { type: "tool-call", toolCallId: "c1", providerExecuted: true, providerOptions },
        { type: "tool-result", toolCallId: "c1", output: { type: "json", value: 7 } },
      ],
    },
  ]);
});

test("[F20] what a person said to a provider's own call goes back with the question", () => {
  const part = { ...call, providerMetadata: { runlog: { byProvider: true } } };
  const approvals = new Map([["c1", { approvalId: "a1", approved: false, reason: "No" }]]);
  expect(toModelMessages([assistant(part)], "openai", approvals)).toMatchObject([
    {
      role: "assistant",
      content: [{ type: "tool-call" }, { type: "tool-approval-request", approvalId: "a1", toolCallId: "c1" }],
    },
    {
      role: "tool",
      content: [{ type: "tool-approval-response", approvalId: "a1", approved: false, reason: "No" }],
    },
  ]);
});
