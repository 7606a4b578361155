import { promisify } from "node:util";
import { crc32, deflateRaw, deflateRawSync, inflateRawSync } from "node:zlib";
import type { Batch, Tail } from "../store.ts";

const deflate = promisify(deflateRaw);

/** What goes into one pack at most: more compresses no better, and is all to be unpacked to read one entry. */
export const PACK_BATCHES = 256;
export const PACK_CHARS = 64 * 1024;

/** What is shorter is compressed at once: to have another thread do it costs six times as much. */
const SMALL_CHARS = 4 * 1024;
/** A pack is unpacked in one piece if it is not longer, in bytes. */
const CHUNK_BYTES = PACK_CHARS + 8 * 1024;

/** In front of the numbers: each text but the first says in its header what the check before it is. */
const CHAINED = "=";

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
  let chained = true;
  for (const batch of batches) {
    if (batch !== batches[0]) chained &&= checkBefore(batch.text, 0) === check;
    check = crc32(batch.text, check);
    if (check !== batch.check) throw new Error(`the batch that ends at ${batch.seq} is damaged`);
    numbers.push(batch.seq - seq, batch.text.length);
    seq = batch.seq;
  }
  const texts = batches.map(({ text }) => text).join("");
  const all = `${chained ? CHAINED : ""}${numbers.join(" ")}\n${texts}`;
  return all.length < SMALL_CHARS ? deflateRawSync(all, { chunkSize: SMALL_CHARS }) : deflate(all);
}

/** What went in, in order. Throws if it is not what ends in `tail`. */
export function unpackBatches(bytes: Uint8Array, tail: Tail): Batch[] {
  const unpacked = inflateRawSync(bytes, { chunkSize: CHUNK_BYTES });
  const all = unpacked.toString();
  let start = all.indexOf("\n") + 1;
  const chained = all.startsWith(CHAINED);
  const numbers = all
    .slice(chained ? CHAINED.length : 0, start)
    .split(" ")
    .map(Number);
  let seq = numbers[0]!;
  let check = numbers[1]!;
  // A check goes on from the one before it, so that of the last is the checksum of all texts: a third of the cost of each.
  const checked = chained && crc32(unpacked.subarray(start), check) === tail.check;
  const batches: Batch[] = [];
  for (let index = 2; index < numbers.length; index += 2) {
    const end = start + numbers[index + 1]!;
    const text = all.slice(start, end);
    seq += numbers[index]!;
    if (!checked) check = crc32(text, check);
    else check = end < all.length ? checkBefore(all, end) : tail.check;
    batches.push({ seq, check, text });
    start = end;
  }
  if (seq !== tail.seq || check !== tail.check || start !== all.length)
    throw new Error(`the pack that ends at ${tail.seq} is damaged`);
  return batches;
}

/** What a batch says in its header of the check before it; it begins at a place in the text. */
function checkBefore(text: string, start: number): number {
  const name = '"before":';
  let place = text.indexOf(name, start) + name.length;
  let check = 0;
  // By hand, as to cut a number out takes half as long again.
  for (
    let digit = text.charCodeAt(place) - ZERO;
    digit >= 0 && digit <= 9;
    digit = text.charCodeAt(++place) - ZERO
  ) {
    check = check * 10 + digit;
  }
  return check;
}

const ZERO = 48;
