import { AgentCard } from "@a2a-js/sdk";
import type { AgentInfo } from "../../agent.ts";
import type { JsonObject } from "../../events.ts";

export interface CardOptions {
  readonly agent: AgentInfo;
  /** Where JSON-RPC is spoken. */
  readonly rpcUrl: string;
  /** The base of the paths of REST. */
  readonly restUrl: string;
  /** Whether requests need a bearer token. */
  readonly needsToken: boolean;
}

/** What this server's agent tells of itself. https://a2a-protocol.org/v1.0.0/specification, section 4.4. */
export function cardOf({ agent, rpcUrl, restUrl, needsToken }: CardOptions): AgentCard {
  const at = (url: string, protocolBinding: string, protocolVersion: string) => ({
    url,
    protocolBinding,
    protocolVersion,
    tenant: "",
  });
  return AgentCard.fromJSON({
    name: agent.name,
    description: agent.description ?? `The agent "${agent.name}"`,
    // An agent has no version of its own.
    version: "1.0.0",
    supportedInterfaces: [
      at(rpcUrl, "JSONRPC", "1.0"),
      at(restUrl, "HTTP+JSON", "1.0"),
      at(rpcUrl, "JSONRPC", "0.3"),
    ],
    capabilities: { streaming: true, pushNotifications: false, extendedAgentCard: false },
    defaultInputModes: ["text/plain", "application/json"],
    defaultOutputModes: ["text/plain", "application/json"],
    skills: skillsOf(agent),
    ...(needsToken && {
      securitySchemes: { bearer: { httpAuthSecurityScheme: { scheme: "Bearer" } } },
      securityRequirements: [{ schemes: { bearer: { list: [] } } }],
    }),
  });
}

/** Its tools; an agent without tools has itself to offer. */
function skillsOf({ name, description, tools = [] }: AgentInfo): JsonObject[] {
  if (tools.length === 0)
    return [{ id: name, name, description: description ?? `Asks the agent "${name}"`, tags: ["agent"] }];
  return tools.map((tool) => ({
    id: tool.name,
    name: tool.name,
    description: tool.description ?? `The tool "${tool.name}"`,
    tags: ["tool"],
  }));
}

/**
 * The card as one document for clients of both versions: that of 1.0, with the fields that 0.3 has elsewhere. Each
 * ignores what it does not know.
 */
export function cardDocument(card: AgentCard): JsonObject {
  const document = AgentCard.toJSON(card) as JsonObject;
  const { url } = card.supportedInterfaces.find(({ protocolVersion }) => protocolVersion === "0.3")!;
  const needsToken = Object.keys(card.securitySchemes).length > 0;
  return {
    ...document,
    // A client that takes the document as it is finds no list missing.
    skills: (document.skills as JsonObject[]).map((skill) => ({ examples: [], ...skill })),
    url,
    preferredTransport: "JSONRPC",
    protocolVersion: "0.3.0",
    supportsAuthenticatedExtendedCard: false,
    ...(needsToken && {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", httpAuthSecurityScheme: { scheme: "Bearer" } },
      },
      security: [{ bearer: [] }],
    }),
  };
}
