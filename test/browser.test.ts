import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { addAbortSignal, PassThrough } from "node:stream";
import type { UIMessage } from "ai";
import { build } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { AgentStream, RunContext } from "../src/agent.ts";
import { createHub, type Hub } from "../src/hub.ts";
import { finalText, toMessages } from "../src/messages.ts";
import { createApp } from "../src/server/app.ts";
import { nodeHandler } from "../src/server/node-handler.ts";
import { memoryStore } from "../src/stores/memory.ts";

const chromiumPath = findChromium();
const why = chromiumPath ? "" : " (skipped: there is no chromium here)";
if (!chromiumPath && process.env.REQUIRE_ALL_STORES === "1") throw new Error(`Cannot leave this out:${why}`);

describe.skipIf(!chromiumPath)(`a page with useChat, in a real browser${why}`, () => {
  let browser: Browser;
  let script: string;
  beforeAll(async () => {
    script = await bundle();
    browser = await chromium.launch({ executablePath: chromiumPath!, args: ["--no-sandbox"] });
  }, 60_000);
  afterAll(() => browser?.close());

  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  /** A server whose agent says what the test writes into `voice`. */
  async function serve() {
    const voice = new PassThrough({ objectMode: true });
    async function* speaker({ signal }: RunContext): AgentStream {
      yield { type: "text.started", id: "1" };
      for await (const text of addAbortSignal(signal, voice)) yield { type: "text.delta", id: "1", text };
      yield { type: "text.finished", id: "1" };
    }
    const hub = await createHub({ store: memoryStore(), agents: [speaker] });
    const app = nodeHandler(createApp({ hub }));
    const server = createServer((request, response) => {
      if (request.url === "/page.js")
        return void response.setHeader("content-type", "text/javascript").end(script);
      if (!request.url?.startsWith("/page")) return void app(request, response);
      response.setHeader("content-type", "text/html");
      response.end(
        '<!doctype html><title>Chat</title><div id="root"></div><script type="module" src="/page.js"></script>',
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(
      () => hub.drain(0),
      () => server.closeAllConnections(),
      () => server.close(),
    );
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/page`;
    return { hub, voice, url };
  }

  async function open(url: string): Promise<Page> {
    const context = await browser.newContext();
    closing.push(() => context.close());
    const page = await context.newPage();
    await page.goto(url);
    await page.waitForSelector("#send");
    return page;
  }

  const transports = [
    ["no transport of its own", ""],
    ["createChatTransport", "&own"],
  ] as const;

  it.each(transports)(
    "[F74] shows one whole answer after a reload in its middle, with %s",
    async (_, own) => {
      const { hub, voice, url } = await serve();
      const page = await open(`${url}?chat=c1${own}`);
      await page.click("#send");
      voice.write("Once upon ");
      await shows(page, "Once upon ");
      await page.reload();
      await shows(page, "Once upon ");
      voice.write("a time");
      await shows(page, "Once upon a time");
      voice.end(".");
      await status(page, "ready");
      const messages = await messagesOf(page);
      expect(messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
      expect(textOf(messages[1]!)).toBe(await logged(hub));
      expect(await logged(hub)).toBe("Once upon a time.");
    },
  );

  it.each(transports)(
    "[F74] [F49] shows the same bytes in a tab opened in mid-answer, with %s",
    async (_, own) => {
      const { hub, voice, url } = await serve();
      const first = await open(`${url}?chat=c1${own}`);
      await first.click("#send");
      voice.write("Grüße, 😀 ");
      await shows(first, "Grüße");
      const second = await open(`${url}?chat=c1${own}`);
      await shows(second, "Grüße");
      voice.end("</script> \u2028.");
      await Promise.all([status(first, "ready"), status(second, "ready")]);
      await Promise.all([shows(first, "</script>"), shows(second, "</script>")]);
      const [one, other] = await Promise.all([messagesOf(first), messagesOf(second)]);
      expect(JSON.stringify(one[1])).toBe(JSON.stringify(other[1]));
      expect(textOf(one[1]!)).toBe(await logged(hub));
    },
  );

  it("[F78] [F79] stops the agent when its reader presses stop, and keeps what was said", async () => {
    const { hub, voice, url } = await serve();
    const page = await open(`${url}?chat=c1&own`);
    await page.click("#send");
    voice.write("Too long");
    await shows(page, "Too long");
    await page.click("#stop");
    await status(page, "ready");
    expect(await (await lastRun(hub)).ended()).toMatchObject({ status: "cancelled" });
    expect(voice.destroyed).toBe(true);
    expect(await logged(hub)).toBe("Too long");
  });

  it("[F52] goes on when the chat is taken off the page, and is whole when it is shown again", async () => {
    const { hub, voice, url } = await serve();
    const page = await open(`${url}?chat=c1&own`);
    await page.click("#send");
    voice.write("Still ");
    await shows(page, "Still ");
    await page.click("#toggle");
    await page.waitForSelector("#messages", { state: "detached" });
    voice.write("here");
    await page.click("#toggle");
    await shows(page, "Still here");
    voice.end(".");
    await status(page, "ready");
    expect(await logged(hub)).toBe("Still here.");
    expect(textOf((await messagesOf(page))[1]!)).toBe("Still here.");
  });

  it("[F52] [F86] goes on when the tab is closed, and shows the answer to who comes back", async () => {
    const { hub, voice, url } = await serve();
    const page = await open(`${url}?chat=c1&own`);
    await page.click("#send");
    voice.write("Still ");
    await shows(page, "Still ");
    await page.close();
    voice.end("here");
    expect(await (await lastRun(hub)).ended()).toMatchObject({ status: "finished" });
    const back = await open(`${url}?chat=c1&own`);
    await shows(back, "Still here");
    await status(back, "ready");
  });
});

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "browser/chat-page.ts")],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "silent",
  });
  return outputFiles[0]!.text;
}

async function messagesOf(page: Page): Promise<UIMessage[]> {
  return JSON.parse((await page.textContent("#messages")) ?? "[]");
}

function textOf({ parts }: UIMessage): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

const shows = (page: Page, text: string) => page.locator("#messages", { hasText: text }).waitFor();
const status = (page: Page, text: string) => page.locator("#status", { hasText: text }).waitFor();

async function lastRun(hub: Hub) {
  const [info] = (await hub.list({ limit: 1 })).runs;
  return hub.run(info!.run);
}

/** What the last run said, by its log. */
async function logged(hub: Hub): Promise<string> {
  return finalText(toMessages(await (await lastRun(hub)).log.entries()));
}

function findChromium(): string | undefined {
  try {
    return execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
}
