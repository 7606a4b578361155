import { type FileHandle, open } from "node:fs/promises";
import { type TeeOptions, tee } from "./tee.ts";

/**
 * {@linkcode tee} to a file of JSON lines, which is made anew with the first value and closed when the reader is
 * done, however that comes. A line is in the file before the reader is given its value.
 */
export function teeToFile<Value>(
  source: AsyncIterable<Value>,
  path: string,
  options: TeeOptions = {},
): AsyncGenerator<Value, void, undefined> {
  let file: Promise<FileHandle> | undefined;
  const sink = {
    write: async (line: string) => {
      file ??= open(path, "w");
      await (await file).appendFile(line);
    },
    close: async () => (await file?.catch(() => undefined))?.close(),
  };
  return tee(source, sink, options);
}
