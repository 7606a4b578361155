import { promisify } from "node:util";
import { crc32, deflateRaw, inflateRawSync } from "node:zlib";
import type { Batch, Tail } from "../store.ts";

const deflate = promisify(deflateRaw);

/**
 * The texts of consecutive batches, one after the other and compressed, behind a line of numbers: the place before
 * them, and for each how many entries and UTF-16 units it has. The checks follow from the texts. Throws if a
 * batch's check is not that of its text: then something is wrong, and nothing must be thrown away.
 *
 * Deflate, as Zstandard is an experiment in Node 24; on deltas of a word each it would save a tenth more.
 */
export async function packBatches(before: Tail, batches: readonly Batch[]): Promise<Uint8Array> {
  const numbers = [before.seq, before.check];
  let { seq, check } = before;
  for (const batch of batches) {
    check = crc32(batch.text, check);
    if (check !== batch.check) throw new Error(`the batch that ends at ${batch.seq} is damaged`);
    numbers.push(batch.seq - seq, batch.text.length);
    seq = batch.seq;
  }
  return deflate(`${numbers.join(" ")}\n${batches.map(({ text }) => text).join("")}`);
}

/** What went in, in order. Throws if it is not what ends in `tail`. */
export function unpackBatches(bytes: Uint8Array, tail: Tail): Batch[] {
  const all = inflateRawSync(bytes).toString();
  let start = all.indexOf("\n") + 1;
  const numbers = all.slice(0, start).split(" ").map(Number);
  let seq = numbers[0]!;
  let check = numbers[1]!;
  const batches: Batch[] = [];
  for (let index = 2; index < numbers.length; index += 2) {
    const end = start + numbers[index + 1]!;
    const text = all.slice(start, end);
    seq += numbers[index]!;
    check = crc32(text, check);
    batches.push({ seq, check, text });
    start = end;
  }
  if (seq !== tail.seq || check !== tail.check)
    throw new Error(`the pack that ends at ${tail.seq} is damaged`);
  return batches;
}
