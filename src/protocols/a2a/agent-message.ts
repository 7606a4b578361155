import { type Message as RemoteMessage, type Part as RemotePart, Role } from "@a2a-js/sdk";
import type { EventOf, Input, Message, Part } from "../../events.ts";
import { AgentFailure } from "../../failure.ts";
import { hashOf } from "../../internal/id.ts";
import type { RemoteTask } from "./remote-turn.ts";

export interface RemoteMessageOptions {
  /** Unique among all messages: a server may take one with a known id for the same. */
  readonly id: readonly (string | number)[];
  readonly contextId: string;
  /** The task that is gone on with; left out, a new one begins. */
  readonly task?: RemoteTask | undefined;
  readonly parts: readonly RemotePart[];
}

/** A message to a remote agent. Throws `invalid_request` for one without content. */
export function toRemoteMessage({ id, contextId, task, parts }: RemoteMessageOptions): RemoteMessage {
  if (parts.length === 0) {
    const why = "it has neither text, nor data, nor a file";
    throw new AgentFailure("invalid_request", `Cannot send the message to the remote agent: ${why}`);
  }
  const name = id.join(":");
  return {
    messageId: name.length > 200 ? hashOf(name) : name,
    contextId: task ? task.contextId : contextId,
    taskId: task?.taskId ?? "",
    role: Role.ROLE_USER,
    parts: [...parts],
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  };
}

/**
 * What a run is asked, as the parts of one message. Where others than the user speak in it, each text says who:
 * A2A has no other place for that.
 */
export function partsOfInput(input: Input, history: readonly Message[]): RemotePart[] {
  if (typeof input === "string" && history.length === 0) return [textPart(input)];
  const asked: readonly Message[] =
    typeof input === "string"
      ? [{ id: "input", role: "user", parts: [{ type: "text", text: input }] }]
      : input;
  const messages = [...history, ...asked];
  const several = messages.some(({ role }) => role !== "user");
  return messages.flatMap(({ role, parts }) => partsOf(parts, several ? `${role}: ` : ""));
}

/** Parts as A2A has them. Thoughts are nobody else's. */
export function partsOf(parts: readonly Part[], speaker = ""): RemotePart[] {
  return parts.flatMap((part): RemotePart[] => {
    switch (part.type) {
      case "text":
        return part.text === "" ? [] : [textPart(speaker + part.text)];
      case "data":
        return [{ ...dataPart(part.data), filename: part.name ?? "" }];
      case "file": {
        const about = { mediaType: part.mediaType, filename: part.name ?? "", metadata: undefined };
        if (part.data !== undefined)
          return [{ ...about, content: { $case: "raw", value: Buffer.from(part.data, "base64") } }];
        return part.url === undefined ? [] : [{ ...about, content: { $case: "url", value: part.url } }];
      }
      case "tool": {
        const { callId, name, input, output, error } = part;
        return [
          dataPart({
            callId,
            name,
            input,
            ...(output !== undefined && { output }),
            ...(error !== undefined && { error }),
          }),
        ];
      }
      default:
        return [];
    }
  });
}

/**
 * A person's answer. A question that the remote gave an id is answered by that id; one that is a mere status by
 * words as well, for an agent that reads them.
 */
export function partsOfAnswer(
  { approvalId, approved, reason }: EventOf<"input.approval">,
  named: boolean,
): RemotePart[] {
  const data = dataPart({ approvalId, approved, ...(reason !== undefined && { reason }) });
  if (named) return [data];
  return [data, textPart(approved ? reason || "yes" : reason ? `no: ${reason}` : "no")];
}

function textPart(text: string): RemotePart {
  return { content: { $case: "text", value: text }, metadata: undefined, filename: "", mediaType: "" };
}

function dataPart(data: unknown): RemotePart {
  return { content: { $case: "data", value: data }, metadata: undefined, filename: "", mediaType: "" };
}
