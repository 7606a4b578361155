import type { Json, JsonObject } from "../../events.ts";

/**
 * Messages of A2A 1.0 as they are on the wire: the JSON of the protobuf messages of the same names.
 * https://a2a-protocol.org/v1.0.0/specification, section 4.
 */
export type WirePart = (
  | { readonly text: string }
  /** Base64. */
  | { readonly raw: string }
  | { readonly url: string }
  | { readonly data: Json }
) & { readonly mediaType?: string; readonly filename?: string };

export interface WireMessage {
  readonly messageId: string;
  readonly contextId: string;
  readonly taskId: string;
  readonly role: "ROLE_USER" | "ROLE_AGENT";
  readonly parts: readonly WirePart[];
}

export type WireState =
  | "TASK_STATE_SUBMITTED"
  | "TASK_STATE_WORKING"
  | "TASK_STATE_INPUT_REQUIRED"
  | "TASK_STATE_COMPLETED"
  | "TASK_STATE_FAILED"
  | "TASK_STATE_CANCELED";

export interface WireStatus {
  readonly state: WireState;
  readonly message?: WireMessage;
  /** ISO 8601, in UTC. */
  readonly timestamp: string;
}

export interface WireArtifact {
  readonly artifactId: string;
  readonly name: string;
  readonly parts: readonly WirePart[];
  readonly metadata?: JsonObject;
}

export interface WireTask {
  readonly id: string;
  readonly contextId: string;
  readonly status: WireStatus;
  readonly artifacts?: readonly WireArtifact[];
  readonly history?: readonly WireMessage[];
  readonly metadata: JsonObject;
}

export interface StatusUpdate {
  readonly taskId: string;
  readonly contextId: string;
  readonly status: WireStatus;
  readonly metadata: JsonObject;
}

export interface ArtifactUpdate {
  readonly taskId: string;
  readonly contextId: string;
  readonly artifact: WireArtifact;
  /** Left out for false, as protobuf has it. */
  readonly append?: true;
  readonly lastChunk?: true;
  readonly metadata: JsonObject;
}

/** One message of a stream: `StreamResponse`. */
export type Update =
  | { readonly task: WireTask }
  | { readonly statusUpdate: StatusUpdate }
  | { readonly artifactUpdate: ArtifactUpdate };
