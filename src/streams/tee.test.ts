import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { AgentStream } from "../agent.ts";
import { createHub } from "../hub.ts";
import { memoryStore } from "../stores/memory.ts";
import { collect, from, Probe } from "./probe.fixture.ts";
import { tee } from "./tee.ts";
import { teeToFile } from "./tee-to-file.ts";

async function* talker(): AgentStream {
  yield { type: "text.started", id: "1" };
  yield { type: "text.delta", id: "1", text: "odd: \u2028 \ud800 \u0000 \n" };
  yield { type: "text.finished", id: "1" };
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "runlog-tee-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

describe("tee", () => {
  it("[F100] [F117] records a run while it is read: line by line what an export prints", async () => {
    await using hub = await createHub({ store: memoryStore(), agents: [talker] });
    const { run } = await hub.start({ input: "hello" });
    const path = join(folder(), "run.jsonl");
    const seen = await collect(teeToFile(run, path));
    const entries = await run.log.entries();
    expect(seen).toEqual(entries);
    expect(readFileSync(path, "utf8")).toBe(
      entries.map(({ seq, at, json }) => `{"seq":${seq},"at":${at},"event":${json}}\n`).join(""),
    );
  });

  it("[F100] has a line in the file before the reader has its value, and keeps those of a reader who breaks", async () => {
    const path = join(folder(), "values.jsonl");
    for await (const value of teeToFile(from("a", "b", "c"), path)) {
      expect(readFileSync(path, "utf8").endsWith(`${JSON.stringify(value)}\n`)).toBe(true);
      if (value === "b") break;
    }
    expect(readFileSync(path, "utf8")).toBe('"a"\n"b"\n');
  });

  it("gives the reader the error where a line cannot be written, and closes source and sink", async () => {
    const source = new Probe([1, 2], "hang");
    let closed = 0;
    const sink = {
      write: () => {
        throw new Error("no space left");
      },
      close: () => closed++,
    };
    await expect(tee(source, sink).next()).rejects.toThrow("no space left");
    expect([source.told, closed]).toEqual([1, 1]);
  });

  it("[F46] with onError the reader goes on, and nothing more is written", async () => {
    const errors: unknown[] = [];
    const path = join(folder(), "not", "there.jsonl");
    const seen = await collect(teeToFile(from(1, 2, 3), path, { onError: (error) => errors.push(error) }));
    expect(seen).toEqual([1, 2, 3]);
    expect(errors).toMatchObject([{ code: "ENOENT" }]);
  });
});
