import type { View } from "../../view.ts";
import { type AgUiEvent, metadataKeys } from "./events.ts";
import { Projection, type ProjectionOptions } from "./projection.ts";

/**
 * A run as AG-UI 1.0 events. The last event of each entry carries its cursor in `metadata`, since AG-UI's client
 * looks at no SSE id.
 *
 * @param options.history The conversation before the run, for the snapshots that take something back.
 */
export function agUiView(options: ProjectionOptions): View {
  return {
    name: "ag-ui",
    start: () => {
      const projection = new Projection(options);
      return (entry) => {
        const events = projection.apply(entry);
        return events.map((event, index) => ({
          data: JSON.stringify(index === events.length - 1 ? withCursor(event, entry.cursor) : event),
        }));
      };
    },
  };
}

/** The event with the cursor that is reached once it has arrived. */
export function withCursor(event: AgUiEvent, cursor: string): AgUiEvent {
  return { ...event, metadata: { ...event.metadata, [metadataKeys.cursor]: cursor } };
}
