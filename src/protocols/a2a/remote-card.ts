import { AgentCard, type AgentInterface } from "@a2a-js/sdk";
import { isLegacyAgentCard, parseLegacyAgentCard } from "@a2a-js/sdk/compat/v0_3/client";
import { messageOf } from "../../errors.ts";
import { AgentFailure } from "../../failure.ts";
import { refusal, remoteFailure, shown } from "./remote-failure.ts";

const CARD_PATH = ".well-known/agent-card.json";
/** What the SDK's client speaks over `fetch`; gRPC needs another one. */
const BINDINGS = ["JSONRPC", "HTTP+JSON"];

export interface FoundCard {
  /** As the protocol's version 1.0 has it, with only the interfaces that can be used, their URLs absolute. */
  readonly card: AgentCard;
  readonly url: URL;
}

/**
 * Fetches the card of a remote agent: `url` itself if it names a `.json`, else `/.well-known/agent-card.json` below
 * it. Throws `AgentFailure`: `remote_unreachable`, `remote_unauthorized`, `remote_card_not_found`,
 * `remote_card_invalid`, or `remote_unsupported` where no interface can be used.
 */
export async function findCard(
  base: URL,
  fetch: typeof globalThis.fetch,
  signal: AbortSignal,
): Promise<FoundCard> {
  const url = cardUrl(base);
  let raw: unknown;
  try {
    const response = await fetch(url, {
      headers: { accept: "application/json", "a2a-version": "1.0" },
      signal,
    });
    raw = await response.json();
  } catch (error) {
    if (error instanceof SyntaxError)
      throw invalid(url, "it is no JSON; pass the URL of the agent, or of its card");
    if (error instanceof AgentFailure && error.code === "remote_not_found") {
      throw new AgentFailure(
        "remote_card_not_found",
        `Cannot find an agent card at ${shown(url)}: pass the URL of the agent, or of its card if that is elsewhere`,
        { cause: error },
      );
    }
    throw remoteFailure(`fetch the agent card at ${shown(url)}`, refusal(error) ?? error);
  }
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) throw invalid(url, "it is no object");
  let card: AgentCard;
  try {
    card = isLegacyAgentCard(raw) ? parseLegacyAgentCard(raw) : AgentCard.fromJSON(raw);
  } catch (error) {
    throw invalid(url, shown(messageOf(error)));
  }
  const told = card.supportedInterfaces ?? [];
  if (told.length === 0) throw invalid(url, "it names no interface of the agent");
  const usable = told.filter(isUsable).map((each) => ({ ...each, url: absolute(each.url, url) }));
  if (usable.length > 0) return { card: { ...card, supportedInterfaces: usable }, url };
  const has = told.slice(0, 10).map((each) => `${each.protocolBinding} ${each.protocolVersion}`);
  throw new AgentFailure(
    "remote_unsupported",
    `Cannot talk to the agent at ${shown(url)}: it speaks ${shown(has.join(", "))}; needed is JSONRPC or HTTP+JSON of version 0.3 or 1.x`,
  );
}

function cardUrl(base: URL): URL {
  if (base.pathname.endsWith(".json")) return base;
  const folder = new URL(base);
  if (!folder.pathname.endsWith("/")) folder.pathname += "/";
  return new URL(CARD_PATH, folder);
}

function isUsable({ protocolBinding, protocolVersion, url }: AgentInterface): boolean {
  return (
    typeof url === "string" &&
    BINDINGS.includes(String(protocolBinding).toUpperCase()) &&
    /^(0\.3|1)(\.|$)/.test(String(protocolVersion || "0.3"))
  );
}

function absolute(url: string, card: URL): string {
  const resolved = URL.parse(url, card.href);
  if (resolved?.protocol === "http:" || resolved?.protocol === "https:") return resolved.href;
  throw invalid(card, `${JSON.stringify(shown(url))} is no URL of an interface`);
}

function invalid(url: URL, why: string): AgentFailure {
  return new AgentFailure("remote_card_invalid", `Cannot use the agent card at ${shown(url)}: ${why}`);
}
