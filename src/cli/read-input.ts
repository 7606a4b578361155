import { readFile } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import { usageError } from "./failure.ts";

/** The text of a file, or of stdin where it is called `-`. */
export async function readInput(path: string): Promise<string> {
  if (path === "-") return readAll(process.stdin);
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw usageError(
      `Cannot read ${path}: ${code === "ENOENT" ? "there is no such file" : (code ?? "unreadable")}`,
    );
  }
}
