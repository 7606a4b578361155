import type { Hub } from "../hub.ts";
import { cursorFrom } from "../protocol.ts";
import {
  parseInput,
  parseProduced,
  parseProducer,
  parseStart,
  viewNamed,
} from "../protocols/native/requests.ts";
import { nativeView } from "../protocols/native/view.ts";
import type { SocketActions } from "../transports/websocket/server.ts";
import type { Views } from "../view.ts";

/** The requests of the native protocol, for clients that send them over a socket. */
export function socketActions(hub: Hub, views: Views): SocketActions {
  return {
    async start(request) {
      const { run, created } = await hub.start(parseStart(request));
      return { run: run.id, created };
    },
    async input(id, body) {
      const run = hub.run(id);
      const event = parseInput(body);
      if (event.type !== "input.cancel") return run.send(event);
      await run.cancel(event.reason === undefined ? {} : { reason: event.reason });
      return {};
    },
    cancel: async (id, reason) => hub.run(id).cancel(reason === undefined ? {} : { reason }),
    append: async (id, events, producer) =>
      hub.run(id).append(parseProduced(events), parseProducer(producer)),
    async source({ run: id, after = "", view, types }) {
      const run = hub.run(id);
      const { log } = run;
      const source = {
        log,
        after: cursorFrom(after),
        view: viewNamed(views, view, id) ?? nativeView({ types }),
      };
      // Throws where there is no log.
      if (!(await log.last())) await run.info();
      return source;
    },
  };
}
