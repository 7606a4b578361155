import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";

/** Why the calls of a process cannot be traced here; undefined if they can. */
export function straceMissing(): string | undefined {
  const { status, error, stderr } = spawnSync("strace", ["-f", "-o", "/dev/null", "true"], {
    encoding: "utf8",
  });
  if (error) return "there is no strace";
  return status === 0 ? undefined : `strace cannot trace: ${stderr.trim()}`;
}

/** What a program is started by, so that its writes and its waits for the disk are in a file, in their order. */
export function straceTo(file: string): string[] {
  const calls = "fsync,fdatasync,write,writev,sendto,sendmsg";
  return ["strace", "-f", "-y", "-s", "40", "-e", `trace=${calls}`, "-o", file];
}

/** What a traced server did: `sync` where it waited for the disk to have a file, `answer` where it said 200. */
export type Step = { readonly kind: "sync"; readonly file: string } | { readonly kind: "answer" };

export async function readTrace(file: string): Promise<Step[]> {
  const steps: Step[] = [];
  // A call during which another thread is traced is told in two lines; the name of the file is in the first.
  const waiting = new Map<string, string>();
  for (const line of (await readFile(file, "utf8")).split("\n")) {
    const thread = line.split(" ", 1)[0]!;
    const begun = /\b(?:fsync|fdatasync)\(\d+<([^>]*)>(.*)/.exec(line);
    if (begun) {
      if (begun[2]!.includes("unfinished")) waiting.set(thread, begun[1]!);
      else if (begun[2]!.endsWith("= 0")) steps.push({ kind: "sync", file: begun[1]! });
    } else if (/<\.\.\. (?:fsync|fdatasync) resumed>.*= 0$/.test(line)) {
      steps.push({ kind: "sync", file: waiting.get(thread) ?? "" });
    } else if (line.includes('"HTTP/1.1 200 OK')) steps.push({ kind: "answer" });
  }
  return steps;
}
