import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";

/** What is measured is alone on one core; who counts, and whoever else, is on the other. */
export const SUBJECT_CORE = 0;
export const CLIENT_CORE = 1;

/** Whether processes can be kept to a core. */
export const pinned =
  availableParallelism() > 1 && spawnSync("taskset", ["--version"], { stdio: "ignore" }).status === 0;

export function pin(pid: number, core: number): void {
  if (pinned) spawnSync("taskset", ["-a", "-p", "-c", String(core), String(pid)], { stdio: "ignore" });
}

interface Question {
  readonly no: number;
  readonly name: string;
  readonly given: unknown;
}

interface Answer {
  readonly no: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** A process of the benchmark's own, which answers questions. */
export class Child implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #open = new Map<number, PromiseWithResolvers<unknown>>();
  #no = 0;

  constructor(file: URL, core: number, args: readonly string[] = []) {
    this.#child = fork(file, args, { execArgv: ["--expose-gc"], stdio: ["ignore", 2, 2, "ipc"] });
    pin(this.#child.pid!, core);
    this.#child.on("message", ({ no, result, error }: Answer) => {
      const open = this.#open.get(no);
      this.#open.delete(no);
      if (error === undefined) open?.resolve(result);
      else open?.reject(new Error(error));
    });
    this.#child.on("exit", (code, signal) => {
      for (const open of this.#open.values())
        open.reject(new Error(`A process ended with ${code ?? signal}`));
      this.#open.clear();
    });
  }

  /** Rejects with what went wrong there, or after `ms`. */
  async ask<Result>(name: string, given: unknown = {}, ms = 60_000): Promise<Result> {
    const open = Promise.withResolvers<unknown>();
    const no = ++this.#no;
    this.#open.set(no, open);
    this.#child.send({ no, name, given } satisfies Question);
    const timer = setTimeout(() => open.reject(new Error(`"${name}" has no answer after ${ms} ms`)), ms);
    try {
      return (await open.promise) as Result;
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await gone;
  }
}

/** Answers the process that started this one, and ends with it. */
// biome-ignore lint/suspicious/noExplicitAny: each handler knows what it is given.
export function answerParent(handlers: Readonly<Record<string, (given: any) => unknown>>): void {
  process.on("message", async ({ no, name, given }: Question) => {
    try {
      process.send!({ no, result: await handlers[name]!(given) } satisfies Answer);
    } catch (error) {
      process.send!({ no, error: error instanceof Error ? error.message : String(error) } satisfies Answer);
    }
  });
  process.on("disconnect", () => process.exit());
}

/** Calls an exported function of a module in a fresh process of its own, and resolves to what it returns. */
export async function inProcess<Result>(module: URL, name: string, given: unknown = {}): Promise<Result> {
  await using child = worker();
  return await child.ask<Result>("call", { module: module.href, name, given });
}

/** The same with a file for a log, in a folder that is gone afterwards. */
export function inProcessOnFile<Result>(module: URL, name: string, given: object = {}): Promise<Result> {
  return inFolder((folder) => inProcess(module, name, { file: `${folder}/log.db`, ...given }));
}

/** A process in which functions of modules are called one after the other. */
export function worker(core = SUBJECT_CORE): Child {
  return new Child(new URL("worker.ts", import.meta.url), core);
}

/** A folder that is gone afterwards. */
export async function inFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "runlog-bench-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
