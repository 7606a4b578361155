import type { StreamResponse } from "@a2a-js/sdk";
import { expect, it } from "vitest";
import { RemotePlace } from "./remote-place.ts";

const update = (metadata: Record<string, unknown> | undefined): StreamResponse => ({
  payload: { $case: "statusUpdate", value: { taskId: "t", contextId: "c", status: undefined, metadata } },
});
/** Updates as a Runlog server numbers them: the last of a number has the SSE id. */
const told: readonly [number, string?][] = [[1, "1-a"], [2], [2], [2, "2-b"], [3, "3-c"], [4], [4, "4-d"]];

it("[F70] a connection that breaks anywhere, and goes on anywhere before, tells each update once", () => {
  for (let cut = 1; cut <= told.length; cut++) {
    const place = new RemotePlace();
    place.begin();
    const taken = told
      .slice(0, cut)
      .filter(([seq, id]) => place.take(update({ seq, cursor: id ?? "x" }), id));
    expect(taken).toHaveLength(cut);
    const known = told.findIndex(([, id]) => id !== undefined && id === place.id);
    // From the last id, as the server does; and from the start, as one does that has forgotten.
    for (const from of [known + 1, 0]) {
      const again = new RemotePlace();
      again.begin();
      for (const [seq, id] of told.slice(0, cut)) again.take(update({ seq, cursor: "x" }), id);
      again.begin();
      const rest = told.slice(from).filter(([seq, id]) => again.take(update({ seq, cursor: "x" }), id));
      expect([cut, from, rest]).toEqual([cut, from, told.slice(cut)]);
    }
  }
});

it("[F70] what the log has taken up to a number is passed over, however much it was", () => {
  const place = new RemotePlace(2);
  place.begin();
  expect(told.filter(([seq, id]) => place.take(update({ seq }), id)).map(([seq]) => seq)).toEqual([3, 4, 4]);
});

it("[F70] numbers that an agent has for itself are no places", () => {
  const place = new RemotePlace();
  place.begin();
  for (const seq of [7, 1, 1, "3", -1, undefined]) expect(place.take(update({ seq }), undefined)).toBe(true);
  expect(place.take(update(undefined), undefined)).toBe(true);
  expect(place.known).toBe(false);
});
