import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Frame } from "../../view.ts";
import { parseServerMessage, type ServerMessage } from "./format.ts";
import { formatFrames } from "./frames.ts";

describe("formatFrames", () => {
  const frame = (seq: number, size = 1): Frame => ({
    cursor: `${seq}-a`,
    data: JSON.stringify("x".repeat(size)),
  });
  const read = (frames: readonly Frame[]) =>
    [...formatFrames("a", frames)].map((text) => parseServerMessage(text)!);

  it("[P19] puts the frames of a commit into one message, their data as it is", () => {
    const frames: Frame[] = [
      { event: "error", data: '{"n":1.50}' },
      { cursor: "1-a", data: '"\\u2028"' },
    ];
    expect([...formatFrames('"', frames)]).toEqual([
      '{"type":"frames","id":"\\"","frames":[{"event":"error","data":{"n":1.50}},{"cursor":"1-a","data":"\\u2028"}]}',
    ]);
  });

  it("[F60] cuts what is long into messages, and never in the middle of an entry", () => {
    const half: Frame = { data: JSON.stringify("y".repeat(50_000)) };
    const messages = read([frame(1, 40_000), frame(2, 40_000), half, half, frame(3), frame(4)]);
    const cursors = messages.map(
      (message) => message.type === "frames" && message.frames.map(({ cursor }) => cursor),
    );
    expect(cursors).toEqual([["1-a", "2-a"], [undefined, undefined, "3-a"], ["4-a"]]);
  });

  it("[F59] tells a reset between the frames before and after it", () => {
    const reset: Frame = { event: "reset", data: '{"reason":"lost"}', cursor: "0-0" };
    expect(read([frame(1), reset, frame(1)])).toEqual([
      { type: "frames", id: "a", frames: [{ cursor: "1-a", data: "x" }] },
      { type: "reset", id: "a", reason: "lost" },
      { type: "frames", id: "a", frames: [{ cursor: "1-a", data: "x" }] },
    ]);
  });

  it("[F110] brings any payload across unchanged", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 1 }), fc.string(), (texts, id) => {
        const frames = texts.map((text, index) => ({ cursor: `${index}-a`, data: JSON.stringify({ text }) }));
        const seen = [...formatFrames(id, frames)].map(
          (text) => parseServerMessage(text) as Extract<ServerMessage, { type: "frames" }>,
        );
        expect(
          seen.flatMap(({ frames }) => frames.map(({ data }) => (data as { text: string }).text)),
        ).toEqual(texts);
        expect(new Set(seen.map((message) => message.id))).toEqual(new Set([id]));
      }),
    );
  });
});
