import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new folder, gone when it is disposed of. */
export interface TempFolder extends AsyncDisposable {
  file(name: string): string;
}

export async function tempFolder(): Promise<TempFolder> {
  const path = await mkdtemp(join(tmpdir(), "runlog-test-"));
  // A test that ran out of time disposes of nothing.
  const clear = () => rmSync(path, { recursive: true, force: true });
  process.once("exit", clear);
  return {
    file: (name) => join(path, name),
    async [Symbol.asyncDispose]() {
      process.off("exit", clear);
      await rm(path, { recursive: true, force: true });
    },
  };
}
