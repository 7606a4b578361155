import type { Message } from "../../events.ts";
import { checkId } from "../../schema.ts";
import type { ThreadPolicy } from "../../thread.ts";
import { fromUiParts, invalid } from "./ui-parts.ts";

/** What a chat posts: a new message, the messages to answer anew, or answers to a waiting run. */
export type ChatRequest = Ask | Answers;

export interface Ask {
  readonly id: string;
  /** The user's message to answer. */
  readonly message: Message;
  /** The messages before it, as the client has them. */
  readonly before: readonly Message[];
  /** True if `before` may be only the beginning of the chat, or nothing of it: the message comes at its end. */
  readonly appends: boolean;
  readonly agent?: string;
  readonly whileBusy?: ThreadPolicy;
}

export interface Answers {
  readonly id: string;
  readonly answers: readonly Answer[];
}

export interface Answer {
  readonly approvalId: string;
  readonly approved: boolean;
  readonly reason?: string;
}

const policies: readonly unknown[] = ["reject", "queue", "replace"] satisfies ThreadPolicy[];

/** A body as `DefaultChatTransport` sends it. Throws `invalid_request`, `invalid_id`. */
export function parseChatRequest(body: unknown): ChatRequest {
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw invalid("the body must be a JSON object { id, messages, trigger }");
  const {
    id: chatId,
    messages,
    trigger,
    messageId,
    agent,
    whileBusy,
  } = body as { readonly [name: string]: unknown };
  const id = checkId(chatId, "chat id");
  if (trigger !== undefined && trigger !== "submit-message" && trigger !== "regenerate-message")
    throw invalid('"trigger" must be "submit-message" or "regenerate-message"');
  if (agent !== undefined && typeof agent !== "string") throw invalid('"agent" must be the name of an agent');
  if (whileBusy !== undefined && !policies.includes(whileBusy))
    throw invalid('"whileBusy" must be "reject", "queue" or "replace"');
  if (!Array.isArray(messages) || messages.length === 0)
    throw invalid('"messages" must be an array of UI messages, and not empty');
  // The server's instructions are the server's: those of a client are not taken.
  const said = messages.map(parseMessage).filter(({ role }) => role !== "system");
  const last = said.at(-1);
  if (!last) throw invalid("no message is a user's or an assistant's");
  // An answer may be to a question before the last message.
  const answered = said.find((message) => message.role === "assistant" && message.id === messageId);
  if (answered) return { id, answers: answersIn(answered) };
  if (last.role === "assistant") return { id, answers: answersIn(last) };
  const converted = said.map(({ id: uiId, role, parts }, index): Message => {
    const as = role === "user" ? "user" : "assistant";
    return { id: uiId, role: as, parts: fromUiParts(parts, as, `message ${index}`) };
  });
  const message = converted.at(-1)!;
  if (message.parts.length === 0) throw invalid("the last message has no text, file or data");
  return {
    id,
    message,
    before: converted.slice(0, -1),
    appends: trigger !== "regenerate-message" && typeof messageId !== "string",
    ...(agent !== undefined && { agent }),
    ...(whileBusy !== undefined && { whileBusy: whileBusy as ThreadPolicy }),
  };
}

interface UiMessage {
  readonly id: string;
  readonly role: "system" | "user" | "assistant";
  readonly parts: readonly unknown[];
}

function parseMessage(value: unknown, index: number): UiMessage {
  const { id, role, parts, content } = Object(value) as { readonly [name: string]: unknown };
  if (role !== "system" && role !== "user" && role !== "assistant")
    throw invalid(`message ${index} must have the role "system", "user" or "assistant"`);
  if (!Array.isArray(parts)) {
    throw invalid(
      content === undefined
        ? `message ${index} must have "parts"`
        : `message ${index} has "content" in place of "parts", as in the AI SDK 4: send UI messages of version 5 or later`,
    );
  }
  if (typeof id !== "string" || id === "") throw invalid(`message ${index} must have an "id"`);
  return { id, role, parts };
}

function answersIn({ parts }: UiMessage): Answer[] {
  const answers = parts.flatMap((part): Answer[] => {
    const { state, approval } = Object(part) as { readonly state?: unknown; readonly approval?: unknown };
    if (state !== "approval-responded") return [];
    const { id, approved, reason } = Object(approval) as { readonly [name: string]: unknown };
    if (typeof id !== "string" || typeof approved !== "boolean")
      throw invalid('a part with the state "approval-responded" must have approval: { id, approved }');
    return [{ approvalId: id, approved, ...(typeof reason === "string" && reason !== "" && { reason }) }];
  });
  if (answers.length > 0) return answers;
  throw invalid(
    "the last message is the assistant's and answers no approval: send a user's message last. Tools run on the " +
      "server, so the result of a call cannot be sent",
  );
}
