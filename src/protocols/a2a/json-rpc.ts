import { LegacyJsonRpcTransportHandler } from "@a2a-js/sdk/compat/v0_3/server";
import { defaultServerCallContextBuilder, JsonRpcTransportHandler } from "@a2a-js/sdk/server";
import { RunError } from "../../errors.ts";
import type { ProtocolContext } from "../../protocol.ts";
import {
  INVALID_REQUEST,
  METHOD_NOT_FOUND,
  PARSE_ERROR,
  type RequestId,
  reportInside,
  rpcError,
  rpcFailure,
} from "./errors.ts";
import { checkParams, completed, isObject, versionOf, versionWith } from "./request.ts";
import { streamFrames } from "./stream-frames.ts";
import { Tasks, type TasksOptions } from "./tasks.ts";
import type { A2aVersion } from "./view.ts";

/**
 * Answers one JSON-RPC request, of either version. Whatever is wrong with it is a JSON-RPC error under HTTP 200, but
 * for a body that is too large: 413.
 */
export async function answerJsonRpc(
  context: ProtocolContext,
  request: Request,
  door: Pick<TasksOptions, "agent" | "card">,
): Promise<Response> {
  let body: unknown;
  try {
    body = await context.json(request);
  } catch (error) {
    const { code, message } = rpcError(error, "0.3");
    if (error instanceof RunError && error.code === "too_large")
      return rpcFailure(null, { code: INVALID_REQUEST, message }, 413);
    const unread = error instanceof RunError && error.code === "invalid_request";
    return rpcFailure(null, { code: unread ? PARSE_ERROR : code, message });
  }
  if (body === undefined) return rpcFailure(null, { code: PARSE_ERROR, message: "The body is empty" });
  const refused = (why: string, id: RequestId = null) =>
    rpcFailure(id, { code: INVALID_REQUEST, message: `Cannot read the request: ${why}` });
  if (!isObject(body)) {
    return refused(
      Array.isArray(body) ? "batches are not spoken: send one request each" : "it must be a JSON object",
    );
  }
  const { jsonrpc, method } = body;
  const id = idOf(body);
  if (id === undefined) return refused('"id" must be a text, a whole number or null');
  if (jsonrpc !== "2.0") return refused('"jsonrpc" must be "2.0"', id);
  if (typeof method !== "string" || method === "")
    return refused('"method" must be the name of a method', id);

  const known = versionWith(method);
  let version: A2aVersion = known ?? "0.3";
  try {
    const named = versionOf(request);
    version = named ?? version;
    if (known !== version) {
      const where = known && `: it is of version ${known}, and the request names ${version}`;
      return rpcFailure(id, {
        code: METHOD_NOT_FOUND,
        message: `There is no method ${JSON.stringify(method.slice(0, 80).toWellFormed())}${where ?? ""}`,
      });
    }
    const asked = named === undefined && version === "0.3" ? completed(body.params) : body.params;
    checkParams(method, asked, version);
    const params = version === "0.3" ? withBlocking(asked) : asked;
    const tasks = new Tasks({ context, request, ...door, shown: { version, request: id } });
    const call = defaultServerCallContextBuilder({
      extensions: undefined,
      user: undefined,
      headers: {},
      requestedVersion: version,
    });
    const transport =
      version === "1.0" ? new JsonRpcTransportHandler(tasks) : new LegacyJsonRpcTransportHandler(tasks);
    const answer = await transport.handle({ jsonrpc, id, method, params }, call);
    const headers = (run: string | undefined): Record<string, string> => (run ? { "runlog-run": run } : {});
    if (!tasks.stream) return Response.json(answer, { headers: headers(tasks.run) });
    // Awaited here: what is refused before the first message is no stream.
    const { run, open } = await tasks.stream;
    const failure = (error: unknown) => {
      reportInside(context, error);
      return { jsonrpc: "2.0", id, error: rpcError(error, version) };
    };
    return context.sse((gone) => streamFrames(open(gone), failure), headers(run));
  } catch (error) {
    return rpcFailure(id, rpcError(error, version));
  }
}

/** A request's id; none is null, and undefined is one that cannot be. */
function idOf(body: Record<string, unknown>): RequestId | undefined {
  const { id = null } = body;
  if (id === null || typeof id === "string") return id;
  return Number.isInteger(id) ? (id as number) : undefined;
}

/** A request that says nothing of it waits; the SDK takes a configuration without the word for one that does not. */
function withBlocking(params: unknown): unknown {
  if (!isObject(params) || !isObject(params.configuration)) return params;
  const { blocking } = params.configuration;
  return { ...params, configuration: { ...params.configuration, blocking: blocking ?? true } };
}
