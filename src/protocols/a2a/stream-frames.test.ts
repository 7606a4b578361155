import { describe, expect, it } from "vitest";
import { RunError } from "../../errors.ts";
import type { Frames } from "../../view.ts";
import { rpcError } from "./errors.ts";
import { streamFrames } from "./stream-frames.ts";

const failure = (error: unknown) => ({ jsonrpc: "2.0", id: 1, error: rpcError(error, "0.3") });
const frame = { data: "{}", cursor: "1-a" };

async function* broken(error: Error): AsyncGenerator<Frames> {
  yield [frame];
  throw error;
}

async function* replaced(): AsyncGenerator<Frames> {
  yield [frame];
  yield [{ event: "reset", data: "{}" }, frame];
  yield [frame];
}

describe("streamFrames", () => {
  it("[F68] tells what goes wrong in the middle as the last message, and of what is no refusal nothing more", async () => {
    const last = async (frames: AsyncIterable<Frames>) =>
      (await Array.fromAsync(streamFrames(frames, failure))).flat().at(-1);
    expect(await last(broken(new RunError("store_unavailable", "The store is gone")))).toEqual({
      event: "error",
      data: '{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"The store is gone"}}',
    });
    expect((await last(broken(new Error("password=hunter2"))))!.data).toContain(
      "Something went wrong inside",
    );
  });

  it("[F54] ends where a log was replaced: A2A cannot begin anew", async () => {
    const frames = (await Array.fromAsync(streamFrames(replaced(), failure))).flat();
    expect(frames).toEqual([frame, { event: "error", data: expect.stringContaining("was replaced") }]);
  });
});
