import { describe, expect, it } from "vitest";
import { TestRun } from "../../testing/run-context.ts";
import { type A2aAgentOptions, a2aAgent } from "./agent.ts";

const url = "https://far.example/helper";
const card = {
  name: "helper",
  supportedInterfaces: [{ url: "rpc", protocolBinding: "JSONRPC", protocolVersion: "1.0" }],
  capabilities: {},
};
const reply = {
  jsonrpc: "2.0",
  id: 1,
  result: { message: { messageId: "m", role: "ROLE_AGENT", parts: [{ text: "Hello" }] } },
};

/** A remote that answers as it is told: first with its card, then to the message. */
async function meet(
  cardAnswer: () => unknown,
  answer: () => unknown = () => reply,
  options: Partial<A2aAgentOptions> = {},
) {
  const calls: Request[] = [];
  const fetch: typeof globalThis.fetch = async (input, init) => {
    calls.push(new Request(input, { ...init, signal: null }));
    const given = calls.length === 1 ? cardAnswer() : answer();
    return given instanceof Response ? given : Response.json(given);
  };
  const run = new TestRun(a2aAgent({ url, fetch, sleep: async () => {}, ...options }));
  return { outcome: await run.go(), calls, text: run.text };
}

describe("[F70] the card of a remote agent", () => {
  it("is looked for below its URL, and says where the agent is", async () => {
    const { outcome, calls, text } = await meet(() => card);
    expect([outcome, text]).toEqual([{ status: "finished" }, "Hello"]);
    expect(calls.map((call) => call.url)).toEqual([
      `${url}/.well-known/agent-card.json`,
      `${url}/.well-known/rpc`,
    ]);
  });

  it("is looked for at the URL itself if that names a document", async () => {
    const { calls } = await meet(() => card, undefined, { url: "https://far.example/cards/7.json" });
    expect(calls[0]!.url).toBe("https://far.example/cards/7.json");
  });

  it("gets the token, and so does the agent", async () => {
    const { calls } = await meet(() => card, undefined, { token: "secret", headers: { "x-team": "a" } });
    for (const { headers } of calls) {
      expect(headers.get("authorization")).toBe("Bearer secret");
      expect(headers.get("x-team")).toBe("a");
    }
  });

  it("does not send the token elsewhere, unless it may", async () => {
    const elsewhere = {
      ...card,
      supportedInterfaces: [{ ...card.supportedInterfaces[0], url: "https://other.example/" }],
    };
    const { outcome, calls } = await meet(() => elsewhere, undefined, { token: "secret" });
    expect(outcome).toMatchObject({
      code: "remote_card_invalid",
      message: expect.stringContaining('origins: ["https://other.example"]'),
    });
    expect(calls).toHaveLength(1);
    for (const options of [{ token: "secret", origins: ["https://other.example"] }, {}])
      expect(await meet(() => elsewhere, undefined, options)).toMatchObject({ text: "Hello" });
  });

  it.each([
    [
      "is missing",
      () => new Response("", { status: 404 }),
      "remote_card_not_found",
      /pass the URL of the agent, or of its card/,
    ],
    ["needs a token", () => new Response("", { status: 401 }), "remote_unauthorized", /pass \{ token \}/],
    [
      "cannot be reached",
      () => {
        throw new TypeError("fetch failed", {
          cause: Object.assign(new Error("connect"), { code: "ECONNREFUSED" }),
        });
      },
      "remote_unreachable",
      /ECONNREFUSED/,
    ],
    ["is busy", () => new Response("later", { status: 503 }), "remote_unreachable", /503: later/],
    ["is a page", () => new Response("<html>"), "remote_card_invalid", /it is no JSON/],
    ["is a list", () => [], "remote_card_invalid", /it is no object/],
    ["names no interface", () => ({ name: "helper" }), "remote_card_invalid", /no interface/],
    [
      "names one that is no URL",
      () => ({ ...card, supportedInterfaces: [{ ...card.supportedInterfaces[0], url: "file:///etc" }] }),
      "remote_card_invalid",
      /no URL of an interface/,
    ],
    [
      "speaks gRPC only",
      () => ({ ...card, supportedInterfaces: [{ url, protocolBinding: "GRPC", protocolVersion: "1.0" }] }),
      "remote_unsupported",
      /GRPC 1\.0/,
    ],
    [
      "is of another version",
      () => ({ ...card, supportedInterfaces: [{ ...card.supportedInterfaces[0], protocolVersion: "2.0" }] }),
      "remote_unsupported",
      /JSONRPC 2\.0/,
    ],
    ["has no end", () => new Response("x".repeat(17 * 1024 * 1024)), "too_large", /more than 16777216 bytes/],
  ])("that %s fails the run and says so", async (_, answer, code, message) => {
    const { outcome } = await meet(answer);
    expect(outcome).toMatchObject({ status: "failed", code, message: expect.stringMatching(message) });
  });

  it("is asked for again after it could not be read", async () => {
    let times = 0;
    const fetch: typeof globalThis.fetch = async (input) => {
      if (!String(input).endsWith(".json")) return Response.json(reply);
      return ++times === 1 ? new Response("", { status: 404 }) : Response.json(card);
    };
    const agent = a2aAgent({ url, fetch });
    expect(await new TestRun(agent).go()).toMatchObject({ code: "remote_card_not_found" });
    expect(await new TestRun(agent).go()).toEqual({ status: "finished" });
  });
});

describe("[F70] a remote agent that answers badly", () => {
  const streaming = { ...card, capabilities: { streaming: true } };
  const sse = (body: string) => () =>
    new Response(body, { headers: { "content-type": "text/event-stream" } });
  const event = (result: unknown) => `data: ${JSON.stringify({ jsonrpc: "2.0", id: 1, result })}\n\n`;

  it.each([
    [
      "refuses",
      card,
      () => ({ jsonrpc: "2.0", id: 1, error: { code: -32602, message: "Bad contextId" } }),
      "remote_refused",
      /INVALID_PARAMS: Bad contextId/,
    ],
    ["is not there", card, () => new Response("no", { status: 404 }), "remote_not_found", /404: no/],
    ["says something else", card, () => ({ hello: 1 }), "remote_invalid", /not A2A/],
    ["says nothing", streaming, sse(""), "remote_lost", /before the remote agent named a task/],
    ["says a huge word", streaming, sse(`data: ${"x".repeat(5 * 1024 * 1024)}\n\n`), "too_large", /4194304/],
    ["says no JSON", streaming, sse("data: <html>\n\n"), "remote_invalid", /not A2A/],
    [
      "leaves out its content",
      streaming,
      sse(event({ artifactUpdate: { taskId: "t" } })),
      "remote_lost",
      /Cannot follow task "t": given up after 0 tries/,
    ],
    [
      "asks without a task",
      streaming,
      sse(event({ statusUpdate: { status: { state: "TASK_STATE_INPUT_REQUIRED" } } })),
      "remote_invalid",
      /names no task/,
    ],
  ])("as one that %s fails the run and says so", async (_, shown, answer, code, message) => {
    const { outcome } = await meet(() => shown, answer, { retries: 0 });
    expect(outcome).toMatchObject({ status: "failed", code, message: expect.stringMatching(message) });
  });

  it("may name its things as it likes", async () => {
    const odd = ["", "a/b", "__proto__", "x".repeat(10_000), "1/answer~2", "\u2028\0"];
    const updates = odd.map((artifactId, index) =>
      event({
        artifactUpdate: {
          taskId: "t",
          artifact: {
            artifactId,
            name: artifactId,
            parts: [{ text: `${index}` }, { data: { index } }, {}],
          },
        },
      }),
    );
    const other = event({
      artifactUpdate: { taskId: "other", artifact: { artifactId: "1", parts: [{ text: "NO" }] } },
    });
    const end = event({
      statusUpdate: {
        taskId: "t",
        status: { state: "TASK_STATE_COMPLETED" },
        metadata: { usage: "much", cost: -1, event: { type: "step.finished", usage: [] } },
      },
    });
    const { outcome, text } = await meet(() => streaming, sse([...updates, other, end].join("")));
    expect([outcome, text]).toEqual([{ status: "finished" }, "012345"]);
  });
});

it.each(["", "far.example", "ftp://far.example", "https://me:secret@far.example"])(
  "[F70] no agent is made of the URL %j",
  (wrong) => {
    expect(() => a2aAgent({ url: wrong })).toThrow(TypeError);
    expect(() => a2aAgent({ url: wrong })).not.toThrow(/secret/);
  },
);

it("[F70] an agent is named after its URL", () => {
  expect(a2aAgent({ url: "https://far.example:8443/agents/helper/" }).name).toBe(
    "far-example-8443-agents-helper",
  );
  expect(a2aAgent({ url, name: "mine" })).toMatchObject({
    name: "mine",
    info: { name: "mine", description: `The A2A agent at ${url}` },
  });
});
