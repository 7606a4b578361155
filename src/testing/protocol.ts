import { afterEach, describe, expect, it, vi } from "vitest";
import { parseCursor, type StoredEntry } from "../batch.ts";
import { isTerminal, type StreamEvent } from "../events.ts";
import { Log } from "../log.ts";
import type { Store } from "../store.ts";
import { memoryStore } from "../stores/memory.ts";
import { formatFrame } from "../transports/sse/format.ts";
import { type Frame, project, type View, type ViewMessage } from "../view.ts";
import { logs as fixtures, toBatches, toEntries } from "./logs.ts";
import { randomRuns } from "./random-runs.ts";

export interface ProtocolSuite {
  /** The protocol's view, made anew for each test, with the options it is to have. */
  readonly open: () => View;
  /** Logs of the protocol's own system, beside those that every view must show. @default none */
  readonly logs?: Readonly<Record<string, readonly StreamEvent[]>>;
  /** Throws unless the protocol's own parser takes all that the view says of a run. @default any JSON will do */
  readonly judge?: (messages: readonly ViewMessage[], events: readonly StreamEvent[]) => unknown;
  /** A file, as its path, that keeps what the view says of each log: a change of it is seen in review. */
  readonly golden?: string;
}

/** The run that the logs belong to: what a view that names its run is to be opened with. */
export const RUN = "run-1";

/** How many generated runs each view must show. */
const RUNS = 1_000;

/** What every protocol must do, as tests: its view is pure and total, resumes at every cursor and is understood. */
export function testProtocol(name: string, { open, logs = {}, judge, golden }: ProtocolSuite): void {
  const all: [string, readonly StreamEvent[]][] = Object.entries({ ...fixtures, ...logs });

  describe(`protocol ${name}`, () => {
    afterEach(() => {
      vi.useRealTimers();
      vi.restoreAllMocks();
    });

    if (golden) {
      it("[F30] says of each log what it always said", async () => {
        const said = all.map(([log, events]) => `# ${log}\n${linesOf(shown(open(), toEntries(events)))}\n`);
        await expect(said.join("\n")).toMatchFileSnapshot(golden);
      });
    }

    it(`[F30] shows ${RUNS} generated runs, each prefix by the beginning of the same messages`, async () => {
      for (const events of randomRuns(RUNS)) {
        const entries = toEntries(events);
        const whole = shown(open(), entries);
        const half = entries.slice(0, entries.length / 2);
        const part = shown(open(), half);
        expect(part).toEqual(whole.slice(0, part.length));
        for (const message of whole) formatFrame(message);
        await judge?.(whole, events);
      }
    });

    describe.each(all)("of the log %s", (_, events) => {
      it("[F30] is the same at any time and by any chance: all it says is in the log", () => {
        const at = (now: number) => {
          vi.useFakeTimers({ now });
          vi.spyOn(Math, "random").mockReturnValue((now % 7) / 7);
          return shown(open(), toEntries(events));
        };
        expect(at(1_900_000_000_000)).toEqual(at(5));
      });

      it("[F30] grows with the log: what a prefix shows is a prefix of what the whole shows", () => {
        const entries = toEntries(events);
        const whole = shown(open(), entries);
        for (let length = 0; length <= entries.length; length++) {
          const part = shown(open(), entries.slice(0, length));
          expect(part).toEqual(whole.slice(0, part.length));
        }
      });

      if (judge) {
        it("[F30] is understood by the protocol's own parser", async () => {
          await judge(shown(open(), toEntries(events)), events);
        });
      }

      it("keeps two viewers apart, and leaves the entries as they are", () => {
        const entries = toEntries(events);
        for (const { event } of entries) freeze(event);
        const view = open();
        const [one, other] = [view.start(), view.start()];
        const pairs = entries.map((entry) => [one(entry), other(entry)]);
        expect(pairs.flatMap(([mine]) => mine)).toEqual(shown(open(), entries));
        expect(pairs.flatMap(([, theirs]) => theirs)).toEqual(shown(open(), entries));
      });

      it("[F110] says JSON without line ends, in frames that no payload can forge", () => {
        for (const message of shown(open(), toEntries(events))) {
          expect(() => JSON.parse(message.data)).not.toThrow();
          expect(message.event ?? "message").toMatch(/^[\w.-]+$/);
          expect(message.event).not.toBe("reset");
          expect(formatFrame(message).match(/^data: /gm)).toHaveLength(1);
        }
      });

      it("shows what it can of a log that begins anywhere", () => {
        const entries = toEntries(events);
        for (let first = 0; first < entries.length; first++) {
          for (const { data } of shown(open(), entries.slice(first))) {
            expect(() => JSON.parse(data)).not.toThrow();
          }
        }
      });

      it("[F54] resumes at every cursor with exactly the rest, and ends when the log does", async () => {
        await using store = memoryStore();
        await keep(store, events);
        const log = new Log(store, RUN);
        const frames = await follow(log, open(), undefined, events);
        expect(frames.map(({ data, event }) => ({ data, ...(event !== undefined && { event }) }))).toEqual(
          shown(open(), toEntries(events)),
        );
        for (const [index, { cursor }] of frames.entries()) {
          if (cursor === undefined) continue;
          expect(await follow(log, open(), cursor, events)).toEqual(frames.slice(index + 1));
        }
      });
    });
  });
}

function linesOf(messages: readonly ViewMessage[]): string {
  return messages.map(({ event, data }) => (event === undefined ? data : `${event}: ${data}`)).join("\n");
}

/** All that a view says of a log, from its first entry. */
export function shown(view: View, entries: readonly StoredEntry[]): ViewMessage[] {
  const show = view.start();
  return entries.flatMap((entry) => show(entry));
}

/** Puts a log into a store, as the run {@linkcode RUN}. */
export async function keep(store: Store, events: readonly StreamEvent[]): Promise<void> {
  let tail = await store.tail(RUN);
  for (const batch of toBatches(events)) {
    await store.append(RUN, tail, batch);
    tail = { seq: batch.seq, check: batch.check };
  }
}

/** The frames after a cursor; of a log that has not ended, those that are there. */
async function follow(
  log: Log,
  view: View,
  after: string | undefined,
  events: readonly StreamEvent[],
): Promise<Frame[]> {
  const stop = new AbortController();
  const frames: Frame[] = [];
  const cursor = after === undefined ? undefined : parseCursor(after);
  const open = !isTerminal(events.at(-1)!);
  const until = (entries: readonly StoredEntry[]) => open && entries.at(-1)?.seq === events.length;
  // Nothing follows the last cursor of an open log: there is nothing to wait for.
  if (open && cursor?.seq === events.length) return [];
  for await (const some of project(log, view, { after: cursor, until, signal: stop.signal }))
    frames.push(...some);
  return frames;
}

function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const each of Object.values(value)) freeze(each);
  Object.freeze(value);
}
