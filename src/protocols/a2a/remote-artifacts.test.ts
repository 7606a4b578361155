import type { Artifact, Part } from "@a2a-js/sdk";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { AgentEvent, StreamEvent } from "../../events.ts";
import { data, text } from "./agent-server.fixture.ts";
import { RemoteArtifacts } from "./remote-artifacts.ts";

const artifact = (artifactId: string, parts: Part[]): Artifact => ({
  artifactId,
  name: artifactId,
  description: "",
  parts,
  metadata: undefined,
  extensions: [],
});

/** What the blocks of an artifact say that no later block replaces. */
function stands(events: readonly AgentEvent[]): string {
  let said = "";
  for (const event of events) {
    if (event.type === "text.started" && event.id.includes("~")) said = "";
    if (event.type === "text.delta") said += event.text;
  }
  return said;
}

it("[F70] a text that is told again, by piece or as a whole, is said once", () => {
  const tellings = fc.record({
    pieces: fc.array(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 12 }),
    // Where the connection breaks, how it goes on, and how far behind a snapshot is.
    breaks: fc.array(
      fc.record({
        at: fc.nat(11),
        how: fc.constantFrom("snapshot", "replay", "recalled"),
        behind: fc.nat(3),
      }),
      { maxLength: 4 },
    ),
  });
  fc.assert(
    fc.property(tellings, ({ pieces, breaks }) => {
      let artifacts = new RemoteArtifacts();
      const events: AgentEvent[] = [];
      const tell = (name: string, parts: Part[], append: boolean) =>
        events.push(...artifacts.apply(name, artifact("a", parts), append, false));
      let connection = 1;
      for (let index = 0; index < pieces.length; index++) {
        tell(`${connection}`, [text(pieces[index]!)], index > 0);
        for (const { how, behind } of breaks.filter(({ at }) => at === index)) {
          connection += 1;
          if (how === "recalled") {
            artifacts = new RemoteArtifacts();
            for (const event of events) artifacts.recall(event as StreamEvent);
            artifacts.recalled();
            continue;
          }
          artifacts.again();
          const known = how === "replay" ? 0 : Math.max(0, index + 1 - behind);
          // Piece by piece, as tasks hold them, and in one.
          if (known > 0) tell(`${connection}`, pieces.slice(0, known).map(text), false);
          for (let again = known; again <= index; again++)
            tell(`${connection}`, [text(pieces[again]!)], again > 0);
        }
      }
      events.push(...artifacts.finish(`${connection}`));
      expect(stands(events)).toBe(pieces.join(""));
      expect(
        events
          .filter((event) => event.type === "text.delta")
          .map(({ text }) => text)
          .join(""),
      ).toBe(pieces.join(""));
      const ids = events.flatMap((event) => (event.type === "text.started" ? [event.id] : []));
      expect(new Set(ids).size).toBe(ids.length);
    }),
    { numRuns: 500 },
  );
});

it.each([
  ["something else", "Draft one", "Final", ["Draft one", "Final"]],
  ["a beginning of it", "Too long", "Too", ["Too long", "Too"]],
  ["a longer one", "Hello", "Hello world", ["Hello", " world"]],
  ["the same", "Hello", "Hello", ["Hello"]],
])("[F70] a text that is replaced by %s", (_, before, after, deltas) => {
  const artifacts = new RemoteArtifacts();
  const events = [
    ...artifacts.apply("1", artifact("a", [text(before)]), false, false),
    ...artifacts.apply("1", artifact("a", [text(after)]), false, true),
    ...artifacts.finish("1"),
  ];
  expect(events.flatMap((event) => (event.type === "text.delta" ? [event.text] : []))).toEqual(deltas);
  expect(stands(events)).toBe(after);
  const opened = events.filter(({ type }) => type === "text.started");
  expect(events.filter(({ type }) => type === "text.finished")).toHaveLength(opened.length);
});

it("[F70] data is told when it is new, or has changed", () => {
  const artifacts = new RemoteArtifacts();
  const tell = (...parts: Part[]) => [...artifacts.apply("1", artifact("a", parts), false, false)];
  expect(tell(data({ n: 1 }), data({ m: 1 }))).toHaveLength(2);
  artifacts.again();
  expect(tell(data({ n: 1 }), data({ m: 1 }))).toEqual([]);
  expect(tell(data({ n: 2 }), data({ m: 1 }))).toMatchObject([
    { action: "updated", parts: [{ data: { n: 2 } }] },
  ]);
});

it("[F70] a text without end is too much", () => {
  const artifacts = new RemoteArtifacts();
  const piece = [text("x".repeat(1024 * 1024))];
  expect(() => {
    for (let index = 0; index < 10; index++)
      [...artifacts.apply("1", artifact("a", piece), index > 0, false)];
  }).toThrow(expect.objectContaining({ code: "limit_exceeded" }));
});

it("[F70] a long text is told in pieces that cut no character", () => {
  const events = [
    ...new RemoteArtifacts().apply("1", artifact("a", [text(`x${"😀".repeat(100_000)}`)]), false, false),
  ];
  const deltas = events.flatMap((event) => (event.type === "text.delta" ? [event.text] : []));
  expect(deltas.length).toBeGreaterThan(1);
  for (const delta of deltas) expect(delta.isWellFormed()).toBe(true);
});
