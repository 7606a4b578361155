import type { Entry } from "../events.ts";
import type { Http, RequestOptions } from "./http.ts";

interface Page {
  readonly entries: readonly (Entry & { readonly cursor: string })[];
  readonly next: string;
  readonly ended: boolean;
}

/** The entries of a run as they are now, a page at a time, without waiting for more. Returns whether it has ended. */
export async function* readEntries(
  http: Http,
  run: string,
  options: Pick<RequestOptions, "signal"> = {},
): AsyncGenerator<readonly Entry[], boolean, undefined> {
  let after = "";
  while (true) {
    const query = after && `?after=${encodeURIComponent(after)}`;
    const page: Page = await http.json(`/runs/${encodeURIComponent(run)}/events${query}`, options);
    if (page.entries.length > 0) yield page.entries.map(({ seq, at, event }) => ({ seq, at, event }));
    if (page.ended || page.entries.length === 0) return page.ended;
    after = page.next;
  }
}
