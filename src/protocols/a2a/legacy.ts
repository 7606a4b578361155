import type { Json, JsonObject } from "../../events.ts";
import type { Update, WireArtifact, WireMessage, WirePart, WireStatus, WireTask } from "./wire.ts";

/**
 * An update as protocol 0.3 has it. `final` ends what a request is told: with the task, or where it waits for a
 * person. https://a2a-protocol.org/v0.3.0/specification, section 7.2.
 */
export function toLegacy(update: Update): JsonObject {
  if ("task" in update) return legacyTask(update.task);
  if ("statusUpdate" in update) {
    const { taskId, contextId, status, metadata } = update.statusUpdate;
    const final = !/_(SUBMITTED|WORKING)$/.test(status.state);
    return { kind: "status-update", taskId, contextId, status: legacyStatus(status), final, metadata };
  }
  const { taskId, contextId, artifact, append = false, lastChunk = false, metadata } = update.artifactUpdate;
  return {
    kind: "artifact-update",
    taskId,
    contextId,
    artifact: legacyArtifact(artifact),
    append,
    lastChunk,
    metadata,
  };
}

function legacyTask({ id, contextId, status, history, artifacts, metadata }: WireTask): JsonObject {
  return {
    kind: "task",
    id,
    contextId,
    status: legacyStatus(status),
    ...(history && history.length > 0 && { history: history.map(legacyMessage) }),
    ...(artifacts && artifacts.length > 0 && { artifacts: artifacts.map(legacyArtifact) }),
    metadata,
  };
}

function legacyStatus({ state, message, timestamp }: WireStatus): JsonObject {
  return {
    state: state.slice("TASK_STATE_".length).toLowerCase().replace("_", "-"),
    ...(message && { message: legacyMessage(message) }),
    timestamp,
  };
}

function legacyMessage({ messageId, contextId, taskId, role, parts }: WireMessage): JsonObject {
  return {
    kind: "message",
    messageId,
    role: role === "ROLE_USER" ? "user" : "agent",
    parts: parts.map(legacyPart),
    contextId,
    taskId,
  };
}

function legacyArtifact({ artifactId, name, parts, metadata }: WireArtifact): JsonObject {
  return { artifactId, parts: parts.map(legacyPart), name, ...(metadata && { metadata }) };
}

function legacyPart(part: WirePart): JsonObject {
  if ("text" in part) return { kind: "text", text: part.text };
  if ("data" in part) {
    const { data } = part;
    if (isObject(data)) return { kind: "data", data };
    // 0.3 has objects only; the SDK unwraps what is marked so.
    return { kind: "data", data: { value: data }, metadata: { data_part_compat: true } };
  }
  const { mediaType, filename } = part;
  const about = {
    ...(mediaType !== undefined && { mimeType: mediaType }),
    ...(filename !== undefined && { name: filename }),
  };
  return {
    kind: "file",
    file: "raw" in part ? { bytes: part.raw, ...about } : { uri: part.url, ...about },
  };
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
