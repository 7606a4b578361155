import { ListTasksResponse, SendMessageRequest, Task, taskStateFromJSON } from "@a2a-js/sdk";
import { VersionNotSupportedError } from "@a2a-js/sdk/errors";
import { Hono } from "hono";
import { RunError } from "../../errors.ts";
import type { ProtocolContext } from "../../protocol.ts";
import { reportInside, restError } from "./errors.ts";
import { checkParams, noPushNotifications, versionOf } from "./request.ts";
import { streamFrames } from "./stream-frames.ts";
import { Tasks, type TasksOptions } from "./tasks.ts";

type Door = Pick<TasksOptions, "agent" | "card">;

/**
 * The REST binding of 1.0, for paths below a base. Refusals are `google.rpc.Status` with their HTTP status.
 * https://a2a-protocol.org/v1.0.0/specification, section 11.
 */
export function restRoutes(
  context: ProtocolContext,
  doorOf: (request: Request, agent: string | undefined) => Door,
): Hono {
  const routes = new Hono();
  const on = (
    method: "GET" | "POST" | "DELETE",
    path: string,
    answer: (tasks: Tasks, request: Request, params: Record<string, string>) => Promise<Response | object>,
  ) => {
    routes.on(method, path, async (c) => {
      const request = c.req.raw;
      try {
        if ((versionOf(request) ?? "1.0") !== "1.0")
          throw new VersionNotSupportedError("Cannot speak version 0.3 here: these are the paths of 1.0");
        const params = c.req.param() as Record<string, string>;
        const tasks = new Tasks({
          context,
          request,
          ...doorOf(request, params.agent),
          shown: { version: "1.0" },
        });
        const answered = await answer(tasks, request, params);
        if (answered instanceof Response) return answered;
        return Response.json(answered, tasks.run ? { headers: { "runlog-run": tasks.run } } : {});
      } catch (error) {
        const { status, body } = restError(error);
        return Response.json(body, { status });
      }
    });
  };
  const sent = async (request: Request) => {
    const params = await context.json(request);
    checkParams("SendMessage", params, "1.0");
    return SendMessageRequest.fromJSON(params);
  };
  const streamed = async (tasks: Tasks): Promise<Response> => {
    const { run, open } = await tasks.stream!;
    const failure = (error: unknown) => {
      reportInside(context, error);
      return restError(error).body;
    };
    return context.sse((gone) => streamFrames(open(gone), failure), { "runlog-run": run });
  };
  const subscribed = (tasks: Tasks, id: string): Promise<Response> => {
    tasks.resubscribe({ id, tenant: "" });
    return streamed(tasks);
  };

  on("POST", "/message:send", async (tasks, request) => {
    return { task: Task.toJSON(await tasks.sendMessage(await sent(request))) };
  });
  on("POST", "/message:stream", async (tasks, request) => {
    tasks.sendMessageStream(await sent(request));
    return streamed(tasks);
  });
  on("GET", "/tasks", async (tasks, request) => {
    const params = listParams(new URL(request.url).searchParams);
    checkParams("ListTasks", params, "1.0");
    const { status = "TASK_STATE_UNSPECIFIED", pageToken = "", contextId = "", ...rest } = params;
    const found = await tasks.listTasks({
      tenant: "",
      statusTimestampAfter: undefined,
      ...rest,
      status: taskStateFromJSON(status),
      pageToken,
      contextId,
    });
    const { pageSize, totalSize, nextPageToken } = found;
    const { tasks: shown = [] } = ListTasksResponse.toJSON(found) as { tasks?: object[] };
    return { tasks: shown, nextPageToken, pageSize, totalSize };
  });
  on("GET", "/tasks/:id", async (tasks, request, { id: path = "" }) => {
    const [id = "", verb] = path.split(":");
    if (verb === "subscribe") return subscribed(tasks, id);
    if (verb !== undefined) throw noSuchPath(request);
    const historyLength = wholeNumber(new URL(request.url).searchParams, "historyLength");
    checkParams("GetTask", { id, historyLength }, "1.0");
    return Task.toJSON(await tasks.getTask({ id, tenant: "", historyLength })) as object;
  });
  on("POST", "/tasks/:id", async (tasks, request, { id: path = "" }) => {
    const [id = "", verb] = path.split(":");
    if (verb === "subscribe") return subscribed(tasks, id);
    if (verb !== "cancel") throw noSuchPath(request);
    return Task.toJSON(await tasks.cancelTask({ id, tenant: "", metadata: undefined })) as object;
  });
  on("GET", "/extendedAgentCard", (tasks) => tasks.getAuthenticatedExtendedAgentCard());
  for (const method of ["GET", "POST", "DELETE"] as const) {
    for (const path of ["/tasks/:id/pushNotificationConfigs", "/tasks/:id/pushNotificationConfigs/:config"])
      on(method, path, () => Promise.reject(noPushNotifications()));
  }
  return routes;
}

interface ListParams {
  readonly contextId?: string;
  readonly status?: string;
  readonly pageToken?: string;
  readonly statusTimestampAfter?: string;
  readonly pageSize?: number | undefined;
  readonly historyLength?: number | undefined;
  readonly includeArtifacts?: boolean;
}

function listParams(query: URLSearchParams): ListParams {
  const text = (name: string) => {
    const value = query.get(name);
    return value ? { [name]: value } : {};
  };
  return {
    ...text("contextId"),
    ...text("status"),
    ...text("pageToken"),
    ...text("statusTimestampAfter"),
    pageSize: wholeNumber(query, "pageSize"),
    historyLength: wholeNumber(query, "historyLength"),
    includeArtifacts: query.get("includeArtifacts") === "true",
  };
}

/** A number of a query; what is none is NaN, and refused where it is checked. */
function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  return text ? Number(text) : undefined;
}

function noSuchPath(request: Request): RunError {
  return new RunError("not_found", `Cannot find ${request.method} ${new URL(request.url).pathname}`);
}
