import { RunError } from "../errors.ts";

/** The longest request body, in bytes. */
export const MAX_BODY_BYTES = 1024 * 1024;
/** A body that is refused is read on, unkept, up to this far: a client that still writes then sees the answer. */
const MAX_DRAINED_BYTES = 16 * 1024 * 1024;

/**
 * A request's JSON. Throws `too_large` as soon as the limit is passed, `invalid_request` for what does not
 * parse. An empty body is `undefined`.
 */
export async function readJson(request: Request): Promise<unknown> {
  const text = await readText(request);
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RunError(
      "invalid_request",
      `Cannot read the body: it is no JSON (${(cause as Error).message})`,
      { cause },
    );
  }
}

/**
 * A request's text. Throws `too_large` as soon as the limit is passed, and `invalid_request` where the client
 * breaks off or what came is no UTF-8: a log would keep what it was mistaken for.
 */
export async function readText(request: Request, maxBytes = MAX_BODY_BYTES): Promise<string> {
  const reader = request.body?.getReader();
  if (!reader) return "";
  const announced = Number(request.headers.get("content-length") ?? 0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (announced <= maxBytes) {
    const { done, value } = await reader.read().catch((cause) => {
      throw new RunError("invalid_request", "Cannot read the body: the client broke off", { cause });
    });
    if (done) return decode(Buffer.concat(chunks));
    size += value.length;
    if (size > maxBytes) break;
    chunks.push(value);
  }
  void drain(reader);
  throw new RunError("too_large", `Cannot read the body: it is more than ${maxBytes} bytes`);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new RunError("invalid_request", "Cannot read the body: it is no UTF-8", { cause });
  }
}

async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  try {
    let left = MAX_DRAINED_BYTES;
    while (left > 0) {
      const { done, value } = await reader.read();
      if (done) return;
      left -= value.length;
    }
    await reader.cancel();
  } catch {
    // The client is gone, and nobody waits for this.
  }
}
