import { A2A_VERSION_HEADER, TaskState, taskStateFromJSON } from "@a2a-js/sdk";
import { PushNotificationNotSupportedError, VersionNotSupportedError } from "@a2a-js/sdk/errors";
import { RunError } from "../../errors.ts";
import { newId } from "../../internal/id.ts";
import { toJson } from "../../json.ts";
import type { A2aVersion } from "./view.ts";

type Fields = Record<string, unknown>;

/**
 * The version that a request names, in its header or as a query parameter, by major and minor number; undefined
 * where it names none. Throws `VersionNotSupportedError`.
 */
export function versionOf(request: Request): A2aVersion | undefined {
  const named =
    request.headers.get(A2A_VERSION_HEADER) || new URL(request.url).searchParams.get(A2A_VERSION_HEADER);
  if (!named) return undefined;
  const version = /^(\d+\.\d+)(\.\d+)?$/.exec(named.trim())?.[1];
  if (version === "1.0" || version === "0.3") return version;
  throw new VersionNotSupportedError(
    `Cannot speak version ${show(named)} of A2A: this server speaks 1.0 and 0.3`,
  );
}

/** The version that has a method, or undefined if none has. The SDK's own check takes `constructor` for one. */
export function versionWith(method: string): A2aVersion | undefined {
  return methods.get(method);
}

const methods = new Map<string, A2aVersion>([
  ["SendMessage", "1.0"],
  ["SendStreamingMessage", "1.0"],
  ["GetTask", "1.0"],
  ["ListTasks", "1.0"],
  ["CancelTask", "1.0"],
  ["SubscribeToTask", "1.0"],
  ["CreateTaskPushNotificationConfig", "1.0"],
  ["GetTaskPushNotificationConfig", "1.0"],
  ["ListTaskPushNotificationConfigs", "1.0"],
  ["DeleteTaskPushNotificationConfig", "1.0"],
  ["GetExtendedAgentCard", "1.0"],
  ["message/send", "0.3"],
  ["message/stream", "0.3"],
  ["tasks/get", "0.3"],
  ["tasks/cancel", "0.3"],
  ["tasks/resubscribe", "0.3"],
  ["tasks/pushNotificationConfig/set", "0.3"],
  ["tasks/pushNotificationConfig/get", "0.3"],
  ["tasks/pushNotificationConfig/list", "0.3"],
  ["tasks/pushNotificationConfig/delete", "0.3"],
  ["agent/getAuthenticatedExtendedCard", "0.3"],
]);

/**
 * A request of a client that names no version and leaves out what can be guessed, as of a message its kind, id and
 * role, and the kinds of its parts: with all of it.
 */
export function completed(params: unknown): unknown {
  const { message } = Object(params) as Fields;
  if (!isObject(params) || !isObject(message)) return params;
  const { parts } = message;
  return {
    ...params,
    message: {
      kind: "message",
      messageId: newId(),
      role: "user",
      ...message,
      ...(Array.isArray(parts) && { parts: parts.map(withKind) }),
    },
  };
}

function withKind(part: unknown): unknown {
  if (!isObject(part) || part.kind !== undefined) return part;
  const kind = ["text", "file", "data"].find((each) => part[each] !== undefined);
  return kind ? { kind, ...part } : part;
}

/**
 * Refuses what the SDK would take for something else, or fail on. Throws `invalid_request`, naming the field, and
 * `PushNotificationNotSupportedError`.
 */
export function checkParams(method: string, params: unknown, version: A2aVersion): void {
  if (/PushNotificationConfig/i.test(method)) throw noPushNotifications();
  if (/ExtendedAgentCard|ExtendedCard$/.test(method)) return;
  if (!isObject(params)) throw invalid(`"params" must be an object, got ${show(params)}`);
  // A parser or a writer further on may be recursive.
  toJson(params);
  checkTexts(params, "", ["tenant"]);
  if (/^(message\/|Send)/.test(method)) checkSend(params, version);
  else if (method === "ListTasks") checkList(params);
  else checkTask(params);
}

export function noPushNotifications(): Error {
  return new PushNotificationNotSupportedError(
    "Cannot push notifications: follow the task with a stream, or ask for it again",
  );
}

function checkSend({ message, configuration, metadata }: Fields, version: A2aVersion): void {
  if (!isObject(message)) throw invalid(`"message" must be an object, got ${show(message)}`);
  const { messageId, role, parts } = message;
  if (typeof messageId !== "string" || messageId === "")
    throw invalid(`"message.messageId" must be a text of the client's own, got ${show(messageId)}`);
  const roles = version === "1.0" ? ["ROLE_USER", "ROLE_AGENT"] : ["user", "agent"];
  if (!roles.includes(role as string))
    throw invalid(`"message.role" must be "${roles.join('" or "')}", got ${show(role)}`);
  checkTexts(message, "message.", ["taskId", "contextId"]);
  for (const name of ["extensions", "referenceTaskIds"]) {
    const texts = message[name];
    if (!isMissing(texts) && !isTexts(texts))
      throw invalid(`"message.${name}" must be a list of texts, got ${show(texts)}`);
  }
  if (!Array.isArray(parts) || parts.length === 0)
    throw invalid(`"message.parts" must be a list of at least one part, got ${show(parts)}`);
  for (const [index, part] of parts.entries()) {
    const place = `"message.parts[${index}]"`;
    if (!isObject(part)) throw invalid(`${place} must be an object, got ${show(part)}`);
    if (version === "1.0") checkPart(part, place);
    else checkLegacyPart(part, place);
  }
  if (!isMissing(metadata) && !isObject(metadata))
    throw invalid(`"metadata" must be an object, got ${show(metadata)}`);
  if (isMissing(configuration)) return;
  if (!isObject(configuration))
    throw invalid(`"configuration" must be an object, got ${show(configuration)}`);
  const { acceptedOutputModes, pushNotificationConfig, taskPushNotificationConfig } = configuration;
  if (!isMissing(pushNotificationConfig) || !isMissing(taskPushNotificationConfig))
    throw noPushNotifications();
  if (!isMissing(acceptedOutputModes) && !isTexts(acceptedOutputModes))
    throw invalid(`"configuration.acceptedOutputModes" must be a list of media types`);
  for (const name of ["blocking", "returnImmediately"]) {
    const value = configuration[name];
    if (!isMissing(value) && typeof value !== "boolean")
      throw invalid(`"configuration.${name}" must be true or false, got ${show(value)}`);
  }
  checkLength(configuration, "historyLength");
}

function checkTask(params: Fields): void {
  if (typeof params.id !== "string" || params.id === "")
    throw invalid(`"id" must be the id of a task, got ${show(params.id)}`);
  checkLength(params, "historyLength");
}

function checkPart(part: Fields, place: string): void {
  const kinds = ["text", "raw", "url", "data"].filter((kind) => part[kind] !== undefined);
  const [kind] = kinds;
  if (!kind || kinds.length > 1)
    throw invalid(`${place} must have one of text, raw, url, data, got ${kinds.join(" and ") || "none"}`);
  if (kind !== "data" && typeof part[kind] !== "string")
    throw invalid(`${place} must have a text as its "${kind}", got ${show(part[kind])}`);
  if (kind === "raw") checkBase64(part.raw as string, place);
  checkTexts(part, `${place}: `, ["mediaType", "filename"]);
}

function checkLegacyPart(part: Fields, place: string): void {
  const { kind, text, data, file } = part;
  switch (kind) {
    case "text":
      if (typeof text !== "string") throw invalid(`${place} must have a "text", got ${show(text)}`);
      return;
    case "data":
      if (!isObject(data)) throw invalid(`${place} must have an object as its "data", got ${show(data)}`);
      return;
    case "file": {
      if (!isObject(file)) throw invalid(`${place} must have an object as its "file", got ${show(file)}`);
      const { bytes, uri } = file;
      if ((typeof bytes === "string") === (typeof uri === "string"))
        throw invalid(`${place} must have a file with either "bytes" or "uri"`);
      if (typeof bytes === "string") checkBase64(bytes, place);
      checkTexts(file, `${place}: `, ["mimeType", "name"]);
      return;
    }
    default:
      throw invalid(`${place} must be of the kind text, file or data, got ${show(kind)}`);
  }
}

function checkBase64(bytes: string, place: string): void {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(bytes)) throw invalid(`${place} must have its bytes in base64`);
}

function checkList(params: Fields): void {
  checkTexts(params, "", ["contextId", "pageToken", "statusTimestampAfter", "status"]);
  const { status, pageSize, includeArtifacts, statusTimestampAfter: after } = params;
  if (typeof status === "string" && taskStateFromJSON(status) === TaskState.UNRECOGNIZED)
    throw invalid(`"status" must be a state as in TASK_STATE_WORKING, got ${show(status)}`);
  if (
    !isMissing(pageSize) &&
    !(Number.isInteger(pageSize) && Number(pageSize) >= 1 && Number(pageSize) <= 100)
  )
    throw invalid(`"pageSize" must be a whole number from 1 to 100, got ${show(pageSize)}`);
  if (!isMissing(includeArtifacts) && typeof includeArtifacts !== "boolean")
    throw invalid(`"includeArtifacts" must be true or false, got ${show(includeArtifacts)}`);
  if (typeof after === "string" && Number.isNaN(Date.parse(after)))
    throw invalid(`"statusTimestampAfter" must be a time as in 2026-01-02T03:04:05Z, got ${show(after)}`);
  checkLength(params, "historyLength");
}

function checkLength(fields: Fields, name: string): void {
  const length = fields[name];
  if (isMissing(length) || (Number.isSafeInteger(length) && Number(length) >= 0)) return;
  throw invalid(`"${name}" must be a whole number from 0, got ${show(length)}`);
}

function checkTexts(fields: Fields, place: string, names: readonly string[]): void {
  for (const name of names) {
    const value = fields[name];
    if (!isMissing(value) && typeof value !== "string")
      throw invalid(`${place}${name} must be a text, got ${show(value)}`);
  }
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

/** Clients in Python send what they leave out as null. */
function isMissing(value: unknown): boolean {
  return value === undefined || value === null;
}

export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(why: string): RunError {
  return new RunError("invalid_request", `Cannot read the request: ${why}`);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 79).toWellFormed()}…` : text;
}
