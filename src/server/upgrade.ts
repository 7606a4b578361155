import { type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { Channels } from "../channel.ts";
import { RunError } from "../errors.ts";
import { harmless } from "../harmless.ts";
import type { Hub } from "../hub.ts";
import { answerText } from "../protocols/agentor/answer-text.ts";
import { refusalOf } from "../transports/websocket/connection.ts";
import { EncodedFrames } from "../transports/websocket/encoded-frames.ts";
import { MAX_MESSAGE_BYTES, SUBPROTOCOL } from "../transports/websocket/format.ts";
import { serveSocket } from "../transports/websocket/server.ts";
import { serveTexts } from "../transports/websocket/texts.ts";
import type { RequestLine } from "./app.ts";
import { type GuardOptions, guard } from "./guard.ts";
import { problem } from "./problem.ts";
import { socketActions } from "./socket-actions.ts";
import { views } from "./views.ts";

export interface UpgradeOptions extends GuardOptions {
  readonly hub: Hub;
  /** Aborts when the server stops: sockets are closed with 1012. */
  readonly stopping: AbortSignal;
  /** Called once for each upgrade, done or refused. */
  readonly onRequest?: ((line: RequestLine) => void) | undefined;
  /** Called with what went wrong inside; the client is told no more than that. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Serves WebSockets at `/ws` of an HTTP server: `runlog.1` for who asks for it, Agentor's for who asks for none. */
export function acceptSockets(server: Server, options: UpgradeOptions): void {
  const { hub, stopping } = options;
  const onRequest = harmless(options.onRequest);
  const onError = harmless(options.onError);
  const actions = socketActions(hub, views);
  const channels = new Channels((frames) => new EncodedFrames(frames));
  const refused = (error: unknown) => refusalOf(error, onError);
  const answer = (text: string, signal: AbortSignal) => answerText(text, { hub, signal, refusalOf: refused });
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_MESSAGE_BYTES,
    // A few bytes on the wire would be worth 64 KiB of memory for each socket, and time for each message; and what is
    // sent would no longer be the same for all.
    perMessageDeflate: false,
    handleProtocols: () => SUBPROTOCOL,
  });
  // Any other upgrade that is offered, as some clients do HTTP/2, is a request like any other (Node 24.9 and later).
  Object.assign(server, { shouldUpgradeCallback: asksForSocket });
  server.on("upgrade", (request, socket, head) => {
    const start = performance.now();
    const log = (status: number) =>
      onRequest({
        from: request.socket.remoteAddress ?? "-",
        method: request.method ?? "-",
        path: pathOf(request),
        status,
        ms: Math.round(performance.now() - start),
      });
    // A client that breaks off is no news.
    socket.on("error", ignore);
    let subprotocol: string | undefined;
    try {
      subprotocol = accept(request, options);
    } catch (error) {
      const refusal = refusalOf(error, onError);
      log(refusal.status);
      return void refuse(socket, refusal);
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      log(101);
      const connection = { wire: socket, stopping, onError };
      if (subprotocol) serveSocket(webSocket, { ...connection, actions, channels });
      else serveTexts(webSocket, { ...connection, answer });
    });
  });
}

// One for all: a function made for an upgrade would keep its request for as long as the socket is open.
function ignore(): void {}

function asksForSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === "websocket";
}

/** The subprotocol to speak, if any. Throws the `RunError` that refuses the upgrade. */
function accept(request: IncomingMessage, options: UpgradeOptions): string | undefined {
  const { headers } = request;
  // A socket can do all that a POST can, and pages of any origin may open one: it is guarded as a POST is.
  guard(
    new Request("http://localhost/ws", {
      method: "POST",
      headers: {
        host: headers.host ?? "",
        ...(headers.origin !== undefined && { origin: headers.origin }),
        ...(headers.authorization !== undefined && { authorization: headers.authorization }),
      },
    }),
    options,
  );
  const path = pathOf(request);
  if (path !== "/ws" || !asksForSocket(request))
    throw new RunError("not_found", `Cannot upgrade ${path}: WebSockets are at /ws`);
  if (options.hub.stopping) throw new RunError("stopping", "Cannot open a socket: the server is stopping");
  const asked = headers["sec-websocket-protocol"]?.split(",").map((each) => each.trim());
  if (!asked || asked.includes(SUBPROTOCOL)) return asked && SUBPROTOCOL;
  throw new RunError(
    "invalid_request",
    `Cannot speak ${JSON.stringify(asked.join(", ").slice(0, 80))}: there is "${SUBPROTOCOL}", and Agentor's without a subprotocol`,
  );
}

function pathOf({ url = "" }: IncomingMessage): string {
  return URL.parse(url, "http://localhost")?.pathname ?? "-";
}

/** The problem JSON that the request would have got, by hand: there is no response to an upgrade. */
async function refuse(socket: Duplex, error: RunError): Promise<void> {
  const response = problem(error);
  const body = Buffer.from(await response.text());
  const head = [
    `HTTP/1.1 ${response.status} ${STATUS_CODES[response.status]}`,
    ...[...response.headers].map(([name, value]) => `${name}: ${value}`),
    `content-length: ${body.length}`,
    "connection: close",
    "\r\n",
  ];
  socket.once("finish", () => socket.destroy());
  socket.end(Buffer.concat([Buffer.from(head.join("\r\n")), body]));
}
