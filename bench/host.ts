/** The process of the server that is measured, and of what gives it events. */
import { type AddressInfo, createServer } from "node:net";
import { eventAt, now } from "./event.ts";
import { cpu, heldBytes } from "./figures.ts";
import { answerParent } from "./processes.ts";
import type { OpenSubject, Subject, SubjectOptions } from "./subjects/subject.ts";

export interface HostOptions extends SubjectOptions {
  /** The file in `subjects/`. */
  readonly subject: string;
}

export type Opened = Pick<Subject, "port" | "paths" | "socket" | "accept"> & { readonly controlPort: number };

/** As fast as viewers read. */
export interface Flood {
  readonly perTick: number;
  /** How many ticks may be given that not all viewers have read. */
  readonly window: number;
}

/** At a rate, whatever viewers do. */
export interface Pace {
  readonly perSecond: number;
}

let subject: Subject;
let runs = 0;
let stopped = false;
/** Given to each run so far. */
let given = 0;
/** How many of them all viewers have read. */
let read = 0;
let wake: (() => void) | undefined;
let giving: Promise<void> | undefined;

answerParent({
  async open(options: HostOptions): Promise<Opened> {
    const module = (await import(`./subjects/${options.subject}.ts`)) as { open: OpenSubject };
    subject = await module.open(options);
    runs = options.runs;
    const { port, paths, socket, accept } = subject;
    const controlPort = await listenForReaders();
    return { port, paths, controlPort, ...(socket && { socket }), ...(accept && { accept }) };
  },
  flood(options: Flood) {
    giving = flood(options);
  },
  pace(options: Pace) {
    giving = pace(options);
  },
  async stop(): Promise<number> {
    stopped = true;
    wake?.();
    await giving;
    return given;
  },
  async fill({ count }: { readonly count: number }) {
    await subject.fill!(Array.from({ length: count }, (_, index) => eventAt(index, index)));
  },
  given: () => given,
  cpu,
  held: () => ({ held: heldBytes(), rss: process.memoryUsage().rss }),
});

/** The client says on a connection how many events its viewers have read. */
async function listenForReaders(): Promise<number> {
  const server = createServer((socket) => {
    let rest = "";
    socket.setEncoding("latin1").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      read = Number(lines.at(-1) ?? read);
      wake?.();
    });
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function tick(count: number, mark: number): void {
  for (let run = 0; run < runs; run++) {
    subject.tick(
      run,
      Array.from({ length: count }, (_, index) => eventAt(given + index, mark)),
    );
  }
  given += count;
}

async function flood({ perTick, window }: Flood): Promise<void> {
  while (!stopped) {
    if (given - read >= window * perTick) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    tick(perTick, now());
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Each event is marked with the time at which it was due, so what comes late counts as late. */
async function pace({ perSecond }: Pace): Promise<void> {
  const start = now();
  const dueAt = (index: number) => start + (index * 1_000_000) / perSecond;
  while (!stopped) {
    // Only what is due by now: one that cannot keep up would never come to read from its sockets again.
    const turn = now();
    while (dueAt(given) <= turn) tick(1, Math.round(dueAt(given)));
    const ahead = (dueAt(given) - now()) / 1_000;
    await new Promise((resolve) => (ahead > 0 ? setTimeout(resolve, ahead) : setImmediate(resolve)));
  }
}
