import { crc32 } from "node:zlib";
import fc from "fast-check";
import { afterEach, describe, expect, it, type TestContext } from "vitest";
import type { Batch, RunRecord, Store, Tail } from "../store.ts";

/** Something that a store cannot do, and why: its tests are skipped, and say so. */
export interface Skip {
  readonly skip: string;
}

export interface StoreSuite {
  /** Opens an empty store, another one each time. */
  readonly open: () => Store | Promise<Store>;
  /** Disposes of a store and opens what it kept. */
  readonly reopen: ((store: Store) => Store | Promise<Store>) | Skip;
  /** Moves on the clock that `beat` goes by, in all stores that are open. */
  readonly advance: ((ms: number) => void | Promise<void>) | Skip;
}

/**
 * What every store must do, as tests. `name` tells one store's tests from another's. `SEED` in the environment
 * repeats the random one.
 */
export function testStore(name: string, suite: StoreSuite): void {
  describe(`store ${name}`, () => {
    const opened = new Set<Store>();

    async function open(): Promise<Store> {
      const store = await suite.open();
      opened.add(store);
      return store;
    }

    async function reopen(store: Store, context: TestContext): Promise<Store> {
      const again = await able(suite.reopen, context)(store);
      opened.delete(store);
      opened.add(again);
      return again;
    }

    afterEach(async () => {
      for (const store of opened) await store[Symbol.asyncDispose]();
      opened.clear();
    });

    describe("append and read", () => {
      it("has nothing of a run that was never appended to", async () => {
        const store = await open();
        expect(await store.tail("r")).toEqual(start);
        expect(await store.read("r", 0, 1000)).toEqual([]);
        expect(await store.record("r")).toBeUndefined();
        expect(await store.list({ limit: 10 })).toEqual([]);
      });

      it("[F32] resolves to undefined once a batch is there, and keeps batches in order and whole", async () => {
        const store = await open();
        const batches = chain([3, 1, 5]);
        for (const [index, batch] of batches.entries()) {
          expect(await store.append("r", batches[index - 1] ?? start, batch)).toBeUndefined();
          expect(await store.tail("r")).toEqual(tailOf(batch));
        }
        expect(await store.read("r", 0, 1e6)).toEqual(batches);
      });

      it("[F90] can be read by whoever its promise tells", async () => {
        const store = await open();
        const [batch] = chain([1]);
        const read = store.append("r", start, batch!).then(() => store.read("r", 0, 1e6));
        expect(await read).toEqual([batch]);
      });

      it("[F50][F51] reads on from any entry, beginning with the batch that holds the next one", async () => {
        const store = await open();
        const batches = chain([1, 4, 2, 3]);
        await write(store, "r", batches);
        for (let after = 0; after <= 12; after++) {
          const rest = batches.filter((batch) => batch.seq > after);
          expect(await store.read("r", after, 1e6), `after ${after}`).toEqual(rest);
        }
      });

      it("[F75] reads about as many bytes as it is asked for, and at least one batch", async () => {
        const store = await open();
        const batches = chain(Array(40).fill(1), "x".repeat(500));
        await write(store, "r", batches);
        for (const maxBytes of [1, 600, 2000, 7000]) {
          const read = await store.read("r", 5, maxBytes);
          expect(read.length).toBeGreaterThan(0);
          expect(read).toEqual(batches.slice(5, 5 + read.length));
          const butLast = read.slice(0, -1).reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
          expect(butLast).toBeLessThanOrEqual(maxBytes);
        }
        expect((await store.read("r", 0, 7000)).length).toBeGreaterThan(5);
      });

      it("reads a batch that is larger than what was asked for", async () => {
        const store = await open();
        const batches = chain([1, 1], "x".repeat(100_000));
        await write(store, "r", batches);
        expect(await store.read("r", 0, 1000)).toEqual([batches[0]]);
        expect(await store.read("r", 1, 1000)).toEqual([batches[1]]);
      });

      it("refuses what does not begin at the tail, says where that is, and changes nothing", async () => {
        const store = await open();
        const batches = chain([2, 2]);
        await write(store, "r", batches, recordOf("r", 1));
        const tail = tailOf(batches[1]!);
        const other = next(tail, 1);
        const wrong: Tail[] = [
          start,
          tailOf(batches[0]!),
          { seq: 5, check: tail.check },
          { seq: tail.seq, check: tail.check ^ 1 },
        ];
        for (const expected of wrong) {
          expect(await store.append("r", expected, other, recordOf("r", 2))).toEqual(tail);
        }
        expect(await store.read("r", 0, 1e6)).toEqual(batches);
        expect(await store.record("r")).toEqual(recordOf("r", 1));
        expect(await store.append("empty", tail, other, recordOf("empty", 1))).toEqual(start);
        expect(await store.tail("empty")).toEqual(start);
        expect(await store.list({ limit: 10 })).toEqual([recordOf("r", 1)]);
        expect(await store.append("r", tail, other)).toBeUndefined();
      });

      it("lets exactly one of those win who append at the same place", async () => {
        const store = await open();
        const writers = await Promise.all(
          Array.from({ length: 8 }, async (_, writer) => {
            const won: Batch[] = [];
            let tail: Tail = start;
            while (tail.seq < 60) {
              const batch = next(tail, 1, `writer ${writer}`);
              const real = await store.append("r", tail, batch);
              if (real === undefined) won.push(batch);
              tail = real ?? batch;
            }
            return won;
          }),
        );
        const log = await store.read("r", 0, 1e6);
        expect(log.map(({ seq }) => seq)).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
        expectChained(log);
        expect(writers.flat().sort((a, b) => a.seq - b.seq)).toEqual(log);
      });

      it("keeps runs apart that are written in the same tick", async () => {
        const store = await open();
        const logs = new Map(
          Array.from({ length: 50 }, (_, index) => [`run-${index}`, chain([1, 2, 1, 3], `of ${index}`)]),
        );
        await Promise.all([...logs].map(([run, batches]) => write(store, run, batches)));
        for (const [run, batches] of logs) expect(await store.read(run, 0, 1e6)).toEqual(batches);
      });

      it("takes appends to one run that do not wait for each other, in their order", async () => {
        const store = await open();
        const batches = chain(Array(20).fill(1));
        const answers = await Promise.all(
          batches.map((batch, index) => store.append("r", batches[index - 1] ?? start, batch)),
        );
        expect(answers).toEqual(Array(20).fill(undefined));
        expect(await store.read("r", 0, 1e6)).toEqual(batches);
      });

      it("tells run ids apart by their case, and takes any allowed one", async () => {
        const store = await open();
        const ids = ["a", "A", "aB", "ab", "__proto__", "constructor", "toString", "0", "-", "x".repeat(64)];
        for (const id of ids) await write(store, id, chain([1], id), recordOf(id, 1));
        for (const id of ids) {
          expect(await store.read(id, 0, 1e6)).toEqual(chain([1], id));
          expect(await store.record(id)).toEqual(recordOf(id, 1));
        }
        expect((await store.list({ limit: 100 })).map(({ run }) => run)).toEqual([...ids].sort().reverse());
        expect(await store.tail("x".repeat(63))).toEqual(start);
      });

      it("gives text back as it was", async () => {
        const store = await open();
        const odd = [
          "",
          "\u0000",
          "\ud83d",
          "\ude00",
          "\u2028\u2029",
          "\ufeff",
          "\ufffd",
          "😀👩‍👩‍👧‍👦 e\u0301 ßẞ 漢字",
          "\r\n\t\u001b\u007f",
          "'; DROP TABLE batches; --",
        ];
        const batches: Batch[] = [];
        for (const text of odd) batches.push(next(batches.at(-1) ?? start, 1, text));
        const record = { ...recordOf("r", 1), text: JSON.stringify(odd) };
        await write(store, "r", batches, record);
        expect(await store.read("r", 0, 1e6)).toEqual(batches);
        expect(await store.record("r")).toEqual(record);
        expect(await store.list({ limit: 1 })).toEqual([record]);
      });

      it("takes a batch of 1 MiB", async () => {
        const store = await open();
        const batches = chain([1, 1], "ä😀x\\n".repeat(2 ** 20 / 8));
        await write(store, "r", batches);
        expect(await store.read("r", 0, 1)).toEqual([batches[0]]);
        expect(await store.read("r", 0, 1e9)).toEqual(batches);
      });

      it("[F77] holds 10,000 entries, and reads them in slices", async () => {
        const store = await open();
        const batches = chain(Array.from({ length: 2500 }, (_, index) => (index % 7) + 1));
        await Promise.all(
          batches.map((batch, index) => store.append("r", batches[index - 1] ?? start, batch)),
        );
        const read: Batch[] = [];
        for (let slice = await store.read("r", 0, 10_000); slice.length > 0; ) {
          read.push(...slice);
          slice = await store.read("r", slice.at(-1)!.seq, 10_000);
        }
        expect(read).toEqual(batches);
        expect(read.at(-1)!.seq).toBeGreaterThan(9990);
      });
    });

    describe("records and lists", () => {
      it("rewrites the record with the append that brings another", async () => {
        const store = await open();
        const [one, two, three] = chain([1, 1, 1]);
        await store.append("r", start, one!, recordOf("r", 5, ["a"], "first"));
        expect(await store.record("r")).toEqual(recordOf("r", 5, ["a"], "first"));
        await store.append("r", one!, two!);
        expect(await store.record("r")).toEqual(recordOf("r", 5, ["a"], "first"));
        await store.append("r", two!, three!, recordOf("r", 5, ["a"], "third"));
        expect(await store.record("r")).toEqual(recordOf("r", 5, ["a"], "third"));
        expect(await store.list({ limit: 10 })).toEqual([recordOf("r", 5, ["a"], "third")]);
      });

      it("[F99] rewrites the record alone where the log ends as expected: lists and tags follow, the log stays", async () => {
        const store = await open();
        const batches = chain([1, 2]);
        await write(store, "other", chain([1]), recordOf("other", 5, ["a", "b"]));
        await write(store, "r", batches, recordOf("r", 1, ["a", "b"], "old"));
        const tail = tailOf(batches[1]!);
        for (const record of [
          recordOf("r", 1, ["a", "b"], "other text"),
          recordOf("r", 1, ["b", "c"], "other tags"),
          recordOf("r", 9, ["b"], "other place"),
          recordOf("r", 9, ["b"], "again"),
        ]) {
          expect(await store.append("r", tail, undefined, record)).toBeUndefined();
          expect(await store.record("r")).toEqual(record);
          const all = [record, recordOf("other", 5, ["a", "b"])].sort(newestFirst);
          expect(await store.list({ limit: 9 })).toEqual(all);
          for (const tag of ["a", "b", "c"]) {
            const tagged = all.filter(({ tags }) => tags.includes(tag));
            expect(await store.list({ limit: 9, tag }), tag).toEqual(tagged);
          }
        }
        expect(await store.tail("r")).toEqual(tail);
        expect(await store.read("r", 0, 1e6)).toEqual(batches);
        expect(await store.append("r", tail, next(tail, 1))).toBeUndefined();
      });

      it("gives a log that had none a record, and changes nothing where there is neither batch nor record", async () => {
        const store = await open();
        const batches = chain([1, 1]);
        await write(store, "r", batches);
        expect(await store.append("r", batches[1]!, undefined)).toBeUndefined();
        expect(await store.record("r")).toBeUndefined();
        expect(await store.append("r", batches[1]!, undefined, recordOf("r", 1, ["a"]))).toBeUndefined();
        expect(await store.append("r", batches[1]!, undefined)).toBeUndefined();
        expect(await store.append("r", batches[0]!, undefined)).toEqual(tailOf(batches[1]!));
        expect(await store.list({ limit: 9, tag: "a" })).toEqual([recordOf("r", 1, ["a"])]);
        expect(await store.read("r", 0, 1e6)).toEqual(batches);
      });

      it("refuses a record alone where the log ends elsewhere or is empty, and says where that is", async () => {
        const store = await open();
        const batches = chain([2, 2]);
        await write(store, "r", batches, recordOf("r", 1, ["a"]));
        const tail = tailOf(batches[1]!);
        const other = recordOf("r", 2, ["b"]);
        const wrong: Tail[] = [start, tailOf(batches[0]!), next(tail, 1), { ...tail, check: tail.check ^ 1 }];
        for (const expected of wrong) {
          expect(await store.append("r", tailOf(expected), undefined, other)).toEqual(tail);
        }
        for (const expected of [start, tail]) {
          expect(await store.append("empty", expected, undefined, recordOf("empty", 2, ["b"]))).toEqual(
            start,
          );
        }
        expect(await store.record("r")).toEqual(recordOf("r", 1, ["a"]));
        expect(await store.record("empty")).toBeUndefined();
        expect(await store.tail("empty")).toEqual(start);
        expect(await store.list({ limit: 9 })).toEqual([recordOf("r", 1, ["a"])]);
        expect(await store.list({ limit: 9, tag: "b" })).toEqual([]);
        expect(await store.delete("r", tail)).toBe(true);
        expect(await store.append("r", tail, undefined, other)).toEqual(start);
        expect(await store.list({ limit: 9 })).toEqual([]);
      });

      it("decides a record alone against what is asked for at the same time by which came first", async () => {
        const store = await open();
        const [one, two] = chain([1, 1]);
        const answers = await Promise.all([
          store.append("r", start, one!, recordOf("r", 1, ["a"])),
          store.append("r", one!, undefined, recordOf("r", 1, ["b"])),
          store.append("r", one!, two!),
          store.append("r", one!, undefined, recordOf("r", 1, ["c"])),
          store.append("gone", start, one!, recordOf("gone", 1, ["b"])),
          store.delete("gone", one!),
          store.append("gone", one!, undefined, recordOf("gone", 1, ["b"])),
        ]);
        const [done, elsewhere] = [undefined, tailOf(two!)];
        expect(answers).toEqual([done, done, done, elsewhere, done, true, start]);
        expect(await store.record("r")).toEqual(recordOf("r", 1, ["b"]));
        expect(await store.list({ limit: 9, tag: "b" })).toEqual([recordOf("r", 1, ["b"])]);
        expect(await store.list({ limit: 9 })).toEqual([recordOf("r", 1, ["b"])]);
      });

      it("does not list a run without a record", async () => {
        const store = await open();
        await write(store, "r", chain([1]));
        expect(await store.list({ limit: 10 })).toEqual([]);
        expect(await store.record("r")).toBeUndefined();
      });

      it("moves a record to its new tags and its new place", async () => {
        const store = await open();
        const [one, two, three] = chain([1, 1, 1]);
        const list = async (tag?: string) =>
          (await store.list({ limit: 10, ...(tag === undefined ? {} : { tag }) })).map(({ run }) => run);
        await write(store, "other", chain([1]), recordOf("other", 5, ["a", "b"]));
        await store.append("r", start, one!, recordOf("r", 1, ["a", "b"]));
        expect(await list()).toEqual(["other", "r"]);
        await store.append("r", one!, two!, recordOf("r", 9, ["b", "c"]));
        expect([await list(), await list("a"), await list("b"), await list("c")]).toEqual([
          ["r", "other"],
          ["other"],
          ["r", "other"],
          ["r"],
        ]);
        await store.append("r", two!, three!, recordOf("r", 9, []));
        expect([await list(), await list("b"), await list("c")]).toEqual([["r", "other"], ["other"], []]);
      });

      it("keeps the tags of a record in their order, and lists it once for one it has twice", async () => {
        const store = await open();
        const record = recordOf("r", 1, ["b", "a", "b", "constructor", "ä 😀"]);
        await write(store, "r", chain([1]), record);
        expect(await store.list({ limit: 10, tag: "b" })).toEqual([record]);
        expect(await store.list({ limit: 10, tag: "constructor" })).toEqual([record]);
        expect(await store.list({ limit: 10, tag: "ä 😀" })).toEqual([record]);
        expect(await store.list({ limit: 10, tag: "B" })).toEqual([]);
        expect(await store.list({ limit: 10, tag: "toString" })).toEqual([]);
      });

      it("[F99] lists newest first in pages of any size, all or those with a tag", async () => {
        const store = await open();
        const records = Array.from({ length: 23 }, (_, index) =>
          // Some start at the same time; then the run decides.
          recordOf(
            `run-${(index * 7) % 23}`,
            Math.floor(index / 3),
            index % 2 === 0 ? ["even"] : ["odd", "x"],
          ),
        );
        await Promise.all(records.map((record) => write(store, record.run, chain([1]), record)));
        for (const tag of [undefined, "even", "odd", "none"]) {
          const all = records.filter(({ tags }) => tag === undefined || tags.includes(tag)).sort(newestFirst);
          for (const limit of [1, 2, 5, 23, 100]) {
            const listed: RunRecord[] = [];
            const options = { limit, ...(tag === undefined ? {} : { tag }) };
            let page = await store.list(options);
            while (page.length > 0) {
              expect(page.length).toBeLessThanOrEqual(limit);
              listed.push(...page);
              const { run, startedAt } = page.at(-1)!;
              page = await store.list({ ...options, before: { run, startedAt } });
            }
            expect(listed, `${tag} by ${limit}`).toEqual(all);
          }
        }
      });

      it("[F99] goes on from a place where no run is, or no longer", async () => {
        const store = await open();
        for (const at of [1, 3, 5]) await write(store, `r${at}`, chain([1]), recordOf(`r${at}`, at));
        const before = { run: "gone", startedAt: 4 };
        expect((await store.list({ limit: 9, before })).map(({ run }) => run)).toEqual(["r3", "r1"]);
        expect(await store.list({ limit: 9, before: { run: "", startedAt: 1 } })).toEqual([]);
      });
    });

    describe("delete", () => {
      it("takes log, record and tags away, and leaves other runs alone", async () => {
        const store = await open();
        const batches = chain([2, 1]);
        await write(store, "r", batches, recordOf("r", 1, ["a"]));
        await write(store, "other", batches, recordOf("other", 2, ["a"]));
        expect(await store.delete("r", tailOf(batches[1]!))).toBe(true);
        expect(await store.tail("r")).toEqual(start);
        expect(await store.read("r", 0, 1e6)).toEqual([]);
        expect(await store.record("r")).toBeUndefined();
        expect(await store.list({ limit: 9 })).toEqual([recordOf("other", 2, ["a"])]);
        expect(await store.list({ limit: 9, tag: "a" })).toEqual([recordOf("other", 2, ["a"])]);
        expect(await store.read("other", 0, 1e6)).toEqual(batches);
      });

      it("changes nothing if the log ends elsewhere", async () => {
        const store = await open();
        const batches = chain([2, 1]);
        await write(store, "r", batches, recordOf("r", 1, ["a"]));
        const tail = tailOf(batches[1]!);
        for (const wrong of [start, tailOf(batches[0]!), { ...tail, check: tail.check ^ 1 }, next(tail, 1)]) {
          expect(await store.delete("r", tailOf(wrong))).toBe(false);
        }
        expect(await store.delete("never", tail)).toBe(false);
        expect(await store.read("r", 0, 1e6)).toEqual(batches);
        expect(await store.list({ limit: 9, tag: "a" })).toEqual([recordOf("r", 1, ["a"])]);
      });

      it("frees the name: another log begins there from empty", async () => {
        const store = await open();
        for (const round of [1, 2, 3]) {
          const batches = chain([1, round], `round ${round}`);
          await write(store, "r", batches, recordOf("r", round, [`t${round}`]));
          expect(await store.read("r", 0, 1e6)).toEqual(batches);
          expect(await store.list({ limit: 9 })).toEqual([recordOf("r", round, [`t${round}`])]);
          expect(await store.delete("r", tailOf(batches[1]!))).toBe(true);
        }
        expect(await store.list({ limit: 9 })).toEqual([]);
      });

      it("is decided against an append at the same time by which came first", async () => {
        const store = await open();
        const [one, two, three] = chain([1, 1, 1]);
        await write(store, "r", [one!]);
        const answers = await Promise.all([
          store.append("r", one!, two!),
          store.delete("r", tailOf(one!)),
          store.delete("r", tailOf(two!)),
          store.append("r", two!, three!),
          store.append("r", start, one!),
        ]);
        expect(answers).toEqual([undefined, false, true, start, undefined]);
        expect(await store.read("r", 0, 1e6)).toEqual([one]);
      });
    });

    describe("watch", () => {
      it("[F49][F90] wakes all that watch the run once it can be read, and nobody else", async () => {
        const store = await open();
        const [batch] = chain([2]);
        const woken = Array.from({ length: 3 }, () => Promise.withResolvers<readonly Batch[]>());
        const others: unknown[] = [];
        for (const { resolve } of woken) {
          store.watch("r", (handed) => {
            if (handed !== undefined) expect(handed).toEqual(batch);
            resolve(store.read("r", 0, 1e6));
          });
        }
        store.watch("R", () => others.push("R"));
        await store.append("r", start, batch!);
        expect(await Promise.all(woken.map(({ promise }) => promise))).toEqual(Array(3).fill([batch]));
        expect(others).toEqual([]);
      });

      it("hands over batches, where it does, in their order", async () => {
        const store = await open();
        const batches = chain(Array(30).fill(1));
        const handed: Batch[] = [];
        const done = Promise.withResolvers<void>();
        store.watch("r", async (batch) => {
          if (batch !== undefined) handed.push(batch);
          if ((await store.tail("r")).seq === 30) done.resolve();
        });
        await Promise.all(
          batches.map((batch, index) => store.append("r", batches[index - 1] ?? start, batch)),
        );
        await done.promise;
        expect(handed).toEqual(batches.filter((batch) => handed.some(({ seq }) => seq === batch.seq)));
      });

      it("does not wake for an append that is refused", async () => {
        const store = await open();
        const [one, two] = chain([1, 1]);
        const woken: unknown[] = [];
        store.watch("r", (batch) => woken.push(batch));
        expect(await store.append("r", one!, two!)).toEqual(start);
        // Whatever this wakes comes after what the refused one would have.
        const later = Promise.withResolvers<void>();
        store.watch("later", () => later.resolve());
        await store.append("later", start, one!);
        await later.promise;
        expect(woken).toEqual([]);
      });

      it("is silent once it is disposed of, also if another watcher does it", async () => {
        const store = await open();
        const [one, two] = chain([1, 1]);
        const calls: string[] = [];
        const done = Promise.withResolvers<void>();
        const watches: Disposable[] = [];
        watches.push(store.watch("r", () => calls.push("disposed of at once")));
        watches[0]![Symbol.dispose]();
        watches[0]![Symbol.dispose]();
        store.watch("r", () => {
          calls.push("first");
          watches[1]![Symbol.dispose]();
        });
        watches.push(store.watch("r", () => calls.push("disposed of by the first")));
        store.watch("r", () => calls.length > 1 && done.resolve());
        await store.append("r", start, one!);
        await store.append("r", one!, two!);
        await done.promise;
        expect(new Set(calls)).toEqual(new Set(["first"]));
      });

      it("goes on with the others when a watcher throws, and takes one function twice", async () => {
        const store = await open();
        const [batch] = chain([1]);
        let calls = 0;
        const done = Promise.withResolvers<void>();
        const count = () => {
          if (++calls === 2) done.resolve();
        };
        store.watch("r", () => {
          throw new Error("of a watcher");
        });
        store.watch("r", count);
        store.watch("r", count);
        expect(await store.append("r", start, batch!)).toBeUndefined();
        await done.promise;
        expect(await store.tail("r")).toEqual(tailOf(batch!));
      });

      it("takes a watcher that appends", async () => {
        const store = await open();
        const batches = chain([1, 1]);
        const done = Promise.withResolvers<unknown>();
        using _ = store.watch("r", () => {
          done.resolve(store.append("r", batches[0]!, batches[1]!));
        });
        await store.append("r", start, batches[0]!);
        expect(await done.promise).toBeUndefined();
        expect(await store.read("r", 0, 1e6)).toEqual(batches);
      });
    });

    describe("beat", () => {
      it("names those who beat, until their time is over", async (context) => {
        const advance = able(suite.advance, context);
        const store = await open();
        const alive = async (holder: string, ms: number) => [...(await store.beat(holder, ms))].sort();
        expect(await alive("a", 1000)).toEqual(["a"]);
        expect(await alive("b", 3000)).toEqual(["a", "b"]);
        await advance(600);
        expect(await alive("a", 1000)).toEqual(["a", "b"]);
        await advance(999);
        expect(await alive("c", 10_000)).toEqual(["a", "b", "c"]);
        await advance(1);
        expect(await alive("c", 10_000)).toEqual(["b", "c"]);
        await advance(5000);
        expect(await alive("__proto__", 1)).toEqual(["__proto__", "c"]);
        expect(await alive("c", 0)).toEqual(["__proto__"]);
      });
    });

    describe("after dispose", () => {
      it("refuses everything with store_unavailable, and can be disposed of again", async () => {
        const store = await open();
        const [one, two] = chain([1, 1]);
        const woken: unknown[] = [];
        await write(store, "r", [one!], recordOf("r", 1));
        store.watch("r", () => woken.push("before"));
        await store[Symbol.asyncDispose]();
        await store[Symbol.asyncDispose]();
        using _ = store.watch("r", () => woken.push("after"));
        const attempts = {
          append: () => store.append("r", tailOf(one!), two!),
          read: () => store.read("r", 0, 1),
          tail: () => store.tail("r"),
          record: () => store.record("r"),
          list: () => store.list({ limit: 1 }),
          delete: () => store.delete("r", tailOf(one!)),
          beat: () => store.beat("a", 1),
        };
        for (const [doing, attempt] of Object.entries(attempts)) {
          await expect(attempt(), doing).rejects.toMatchObject({
            name: "RunError",
            code: "store_unavailable",
          });
        }
        expect(woken).toEqual([]);
      });
    });

    describe("reopen", () => {
      it("[F91] has everything again, and goes on from there", async (context) => {
        able(suite.reopen, context);
        let store = await open();
        const logs = new Map(
          Array.from({ length: 20 }, (_, index) => [`run-${index}`, chain([1, 3, 2], `of ${index}`)]),
        );
        const records = [...logs.keys()].map((run, index) => recordOf(run, index, [`t${index % 3}`]));
        await Promise.all(records.map((record) => write(store, record.run, logs.get(record.run)!, record)));
        await store.delete("run-3", tailOf(logs.get("run-3")!.at(-1)!));
        logs.set("run-3", []);
        for (const round of [1, 2, 3]) {
          store = await reopen(store, context);
          for (const [run, batches] of logs) {
            expect(await store.tail(run)).toEqual(tailOf(batches.at(-1) ?? start));
            expect(await store.read(run, 0, 1e6)).toEqual(batches);
            const more = next(batches.at(-1) ?? start, 2, `round ${round}`);
            expect(await store.append(run, start, more)).toEqual(
              batches.length > 0 ? tailOf(batches.at(-1)!) : undefined,
            );
            if (batches.length > 0) expect(await store.append(run, batches.at(-1)!, more)).toBeUndefined();
            batches.push(more);
          }
          const kept = records.filter(({ run }) => run !== "run-3").sort(newestFirst);
          expect(await store.list({ limit: 100 })).toEqual(kept);
          expect(await store.list({ limit: 100, tag: "t1" })).toEqual(
            kept.filter(({ tags }) => tags.includes("t1")),
          );
        }
      });

      it("[F91] has what was still on its way when it was disposed of, if that was promised", async (context) => {
        const reopenStore = able(suite.reopen, context);
        const store = await open();
        const batches = chain([1, 1]);
        const answers = batches.map((batch, index) => store.append("r", batches[index - 1] ?? start, batch));
        const settled = Promise.allSettled(answers);
        const again = await reopenStore(store);
        opened.delete(store);
        opened.add(again);
        const promised = (await settled).filter(({ status }) => status === "fulfilled").length;
        expect((await again.read("r", 0, 1e6)).length).toBeGreaterThanOrEqual(promised);
      });
    });

    it("[F93] does what a plain array would, whatever is done in whatever order", async () => {
      const seed = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) };
      const runs = fc.constantFrom("a", "A", "b", "__proto__");
      const tags = fc.subarray(["x", "y", "constructor"]);
      const record = fc.option(fc.record({ startedAt: fc.integer({ min: 0, max: 3 }), tags }), {
        nil: undefined,
      });
      const commands = [
        fc
          .tuple(
            runs,
            fc.constantFrom<Place>("tail", "tail", "tail", "stale", "ahead", "other"),
            fc.nat(4),
            record,
          )
          .map((values) => new AppendCommand(...values)),
        fc
          .tuple(runs, fc.constantFrom<Place>("tail", "tail", "tail", "stale", "ahead", "other"), record)
          .map((values) => new RecordCommand(...values)),
        fc
          .array(fc.tuple(runs, fc.nat(3)), { minLength: 2, maxLength: 12 })
          .map((many) => new TickCommand(many)),
        fc
          .tuple(runs, fc.nat(12), fc.integer({ min: 1, max: 600 }))
          .map((values) => new ReadCommand(...values)),
        fc
          .tuple(
            fc.option(fc.constantFrom("x", "y", "constructor"), { nil: undefined }),
            fc.integer({ min: 1, max: 5 }),
          )
          .map((values) => new ListCommand(...values)),
        fc
          .tuple(runs, fc.constantFrom<Place>("tail", "stale", "ahead", "other"))
          .map((values) => new DeleteCommand(...values)),
        fc.constant(new ReopenCommand("skip" in suite.reopen ? undefined : suite.reopen)),
      ];
      await fc.assert(
        fc.asyncProperty(fc.commands(commands, { maxCommands: 60 }), async (sequence) => {
          const real: Real = { store: await suite.open() };
          try {
            await fc.asyncModelRun(() => ({ model: new Map(), real }), sequence);
          } finally {
            await real.store[Symbol.asyncDispose]();
          }
        }),
        { numRuns: 60, ...seed },
      );
    }, 60_000);
  });
}

const start: Tail = { seq: 0, check: 0 };

function tailOf({ seq, check }: Tail): Tail {
  return { seq, check };
}

/** A batch of `count` entries that follows. */
function next(before: Tail, count: number, said = "something"): Batch {
  const header = JSON.stringify({ v: 1, first: before.seq + 1, at: 1, before: before.check, by: "suite" });
  const line = JSON.stringify({ type: "text.delta", text: said });
  const text = [header, ...Array<string>(count).fill(line)].join("\n");
  return { seq: before.seq + count, check: crc32(text, before.check), text };
}

/** The batches of a log, by how many entries each has. */
function chain(counts: readonly number[], said?: string): Batch[] {
  let tail = start;
  return counts.map((count) => {
    const batch = next(tail, count, said);
    tail = batch;
    return batch;
  });
}

function recordOf(
  run: string,
  startedAt: number,
  tags: readonly string[] = [],
  text = `{"of":"${run}"}`,
): RunRecord {
  return { run, startedAt, tags, text };
}

/** Appends a log to an empty run, one batch after the other; the record comes with the first. */
async function write(
  store: Store,
  run: string,
  batches: readonly Batch[],
  record?: RunRecord,
): Promise<void> {
  let tail = start;
  for (const batch of batches) {
    expect(await store.append(run, tail, batch, tail === start ? record : undefined)).toBeUndefined();
    tail = tailOf(batch);
  }
}

function expectChained(log: readonly Batch[]): void {
  let check = 0;
  for (const batch of log) {
    check = crc32(batch.text, check);
    expect(batch.check).toBe(check);
  }
}

function newestFirst(a: RunRecord, b: RunRecord): number {
  return b.startedAt - a.startedAt || (a.run < b.run ? 1 : -1);
}

/** What the suite was given, or this test is skipped. */
function able<Ability extends object>(ability: Ability | Skip, context: TestContext): Ability {
  if ("skip" in ability) context.skip(ability.skip);
  return ability as Ability;
}

// The random test: a store must answer as a plain map of arrays does.

interface Log {
  batches: Batch[];
  record: RunRecord | undefined;
}
type Model = Map<string, Log>;
interface Real {
  store: Store;
}
type Command = fc.AsyncCommand<Model, Real>;
/** The tail, one before it, one that is not reached yet, or one of the same length with other content. */
type Place = "tail" | "stale" | "ahead" | "other";

function logOf(model: Model, run: string): Log {
  return model.get(run) ?? { batches: [], record: undefined };
}

function expectedAt(place: Place, tail: Tail): Tail {
  if (place === "stale") return { seq: Math.max(0, tail.seq - 1), check: tail.check ^ 2 };
  if (place === "ahead") return { seq: tail.seq + 1, check: tail.check };
  return place === "other" ? { seq: tail.seq, check: tail.check ^ 1 } : tailOf(tail);
}

class AppendCommand implements Command {
  readonly #run: string;
  readonly #place: Place;
  readonly #extra: number;
  readonly #record: { startedAt: number; tags: string[] } | undefined;

  constructor(
    run: string,
    place: Place,
    extra: number,
    record: { startedAt: number; tags: string[] } | undefined,
  ) {
    this.#run = run;
    this.#place = place;
    this.#extra = extra;
    this.#record = record;
  }
  check() {
    return true;
  }
  async run(model: Model, { store }: Real) {
    const log = logOf(model, this.#run);
    const tail = tailOf(log.batches.at(-1) ?? start);
    const batch = next(tail, 1 + this.#extra, `${this.#extra} more`);
    const record =
      this.#record && recordOf(this.#run, this.#record.startedAt, this.#record.tags, `at ${tail.seq}`);
    const answer = await store.append(this.#run, expectedAt(this.#place, tail), batch, record);
    if (this.#place === "tail") {
      expect(answer).toBeUndefined();
      model.set(this.#run, { batches: [...log.batches, batch], record: record ?? log.record });
    } else {
      expect(answer).toEqual(tail);
    }
    expect(await store.tail(this.#run)).toEqual(logOf(model, this.#run).batches.map(tailOf).at(-1) ?? start);
    expect(await store.record(this.#run)).toEqual(logOf(model, this.#run).record);
  }
  toString() {
    return `append(${this.#run}, ${this.#place}, ${1 + this.#extra}, ${JSON.stringify(this.#record)})`;
  }
}

/** The record alone. */
class RecordCommand implements Command {
  readonly #run: string;
  readonly #place: Place;
  readonly #record: { startedAt: number; tags: string[] } | undefined;

  constructor(run: string, place: Place, record: { startedAt: number; tags: string[] } | undefined) {
    this.#run = run;
    this.#place = place;
    this.#record = record;
  }
  check() {
    return true;
  }
  async run(model: Model, { store }: Real) {
    const log = logOf(model, this.#run);
    const tail = tailOf(log.batches.at(-1) ?? start);
    const record =
      this.#record && recordOf(this.#run, this.#record.startedAt, this.#record.tags, `for ${tail.seq}`);
    const answer = await store.append(this.#run, expectedAt(this.#place, tail), undefined, record);
    if (this.#place === "tail" && tail.seq > 0) {
      expect(answer).toBeUndefined();
      model.set(this.#run, { ...log, record: record ?? log.record });
    } else {
      expect(answer).toEqual(tail);
    }
    expect(await store.tail(this.#run)).toEqual(tail);
    expect(await store.record(this.#run)).toEqual(logOf(model, this.#run).record);
  }
  toString() {
    return `record(${this.#run}, ${this.#place}, ${JSON.stringify(this.#record)})`;
  }
}

/** Appends that do not wait for each other. */
class TickCommand implements Command {
  readonly #many: readonly [string, number][];

  constructor(many: readonly [string, number][]) {
    this.#many = many;
  }
  check() {
    return true;
  }
  async run(model: Model, { store }: Real) {
    const answers = this.#many.map(([run, extra]) => {
      const log = logOf(model, run);
      const batch = next(log.batches.at(-1) ?? start, 1 + extra, "in a tick");
      const answer = store.append(run, log.batches.at(-1) ?? start, batch);
      model.set(run, { ...log, batches: [...log.batches, batch] });
      return answer;
    });
    expect(await Promise.all(answers)).toEqual(this.#many.map(() => undefined));
  }
  toString() {
    return `tick(${JSON.stringify(this.#many)})`;
  }
}

class ReadCommand implements Command {
  readonly #run: string;
  readonly #after: number;
  readonly #maxBytes: number;

  constructor(run: string, after: number, maxBytes: number) {
    this.#run = run;
    this.#after = after;
    this.#maxBytes = maxBytes;
  }
  check() {
    return true;
  }
  async run(model: Model, { store }: Real) {
    const rest = logOf(model, this.#run).batches.filter(({ seq }) => seq > this.#after);
    const read = await store.read(this.#run, this.#after, this.#maxBytes);
    expect(read).toEqual(rest.slice(0, read.length));
    if (rest.length > 0) expect(read.length).toBeGreaterThan(0);
    expect(await store.read(this.#run, this.#after, 1e9)).toEqual(rest);
  }
  toString() {
    return `read(${this.#run}, ${this.#after}, ${this.#maxBytes})`;
  }
}

class ListCommand implements Command {
  readonly #tag: string | undefined;
  readonly #limit: number;

  constructor(tag: string | undefined, limit: number) {
    this.#tag = tag;
    this.#limit = limit;
  }
  check() {
    return true;
  }
  async run(model: Model, { store }: Real) {
    const tag = this.#tag;
    const all = [...model.values()]
      .flatMap(({ record }) => record ?? [])
      .filter(({ tags }) => tag === undefined || tags.includes(tag))
      .sort(newestFirst);
    const options = { limit: this.#limit, ...(tag === undefined ? {} : { tag }) };
    const first = await store.list(options);
    expect(first).toEqual(all.slice(0, this.#limit));
    const before = first.at(-1);
    if (before === undefined) return;
    expect(await store.list({ ...options, before })).toEqual(all.slice(this.#limit, 2 * this.#limit));
  }
  toString() {
    return `list(${this.#tag}, ${this.#limit})`;
  }
}

class DeleteCommand implements Command {
  readonly #run: string;
  readonly #place: Place;

  constructor(run: string, place: Place) {
    this.#run = run;
    this.#place = place;
  }
  check() {
    return true;
  }
  async run(model: Model, { store }: Real) {
    const tail = logOf(model, this.#run).batches.at(-1) ?? start;
    const answer = await store.delete(this.#run, expectedAt(this.#place, tail));
    expect(answer).toBe(this.#place === "tail");
    if (answer) model.delete(this.#run);
  }
  toString() {
    return `delete(${this.#run}, ${this.#place})`;
  }
}

class ReopenCommand implements Command {
  readonly #reopen: ((store: Store) => Store | Promise<Store>) | undefined;

  constructor(reopen: ((store: Store) => Store | Promise<Store>) | undefined) {
    this.#reopen = reopen;
  }
  check() {
    return this.#reopen !== undefined;
  }
  async run(model: Model, real: Real) {
    real.store = await this.#reopen!(real.store);
    for (const [run, { batches, record }] of model) {
      expect(await real.store.read(run, 0, 1e9)).toEqual(batches);
      expect(await real.store.record(run)).toEqual(record);
    }
  }
  toString() {
    return "reopen";
  }
}
