import type { Http } from "../client/http.ts";
import { RunError } from "../errors.ts";
import type { Input } from "../events.ts";
import type { RunInfo } from "../run-info.ts";
import { usageError } from "./failure.ts";

/** A run as `GET /runs/:id` tells it. */
export interface FoundRun extends RunInfo {
  readonly input: Input;
  /** Of its last entry. */
  readonly cursor: string;
}

interface Page {
  readonly runs: readonly RunInfo[];
  readonly next?: string;
}

/** How far back a beginning of an id is looked for. */
const MOST_PAGES = 20;
const PAGE = 500;

/** The run that a person means: by its id, by a beginning that no other run has, or `last` for the newest. */
export async function findRun(http: Http, name: string): Promise<FoundRun> {
  if (name !== "last") {
    try {
      return await describeRun(http, name);
    } catch (error) {
      if (!(error instanceof RunError) || error.code !== "run_not_found") throw error;
      const id = await idFrom(http, name);
      if (id === undefined) throw error;
      return describeRun(http, id);
    }
  }
  const { runs }: Page = await http.json("/runs?limit=1");
  const newest = runs[0];
  if (!newest) throw new RunError("run_not_found", `Cannot find the last run: ${http.url} has none yet`);
  return describeRun(http, newest.run);
}

export function describeRun(http: Http, id: string): Promise<FoundRun> {
  return http.json(`/runs/${encodeURIComponent(id)}`);
}

async function idFrom(http: Http, beginning: string): Promise<string | undefined> {
  const found: string[] = [];
  let before = "";
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const { runs, next }: Page = await http.json(`/runs?limit=${PAGE}${before}`);
    found.push(...runs.map(({ run }) => run).filter((run) => run.startsWith(beginning)));
    if (found.length > 1) {
      const some = found.slice(0, 5).join(", ");
      throw usageError(`Cannot tell which run "${beginning}" is: ${some}${found.length > 5 ? ", ..." : ""}`);
    }
    if (next === undefined) break;
    before = `&before=${encodeURIComponent(next)}`;
  }
  return found[0];
}
