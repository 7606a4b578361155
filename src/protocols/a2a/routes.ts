import { Hono } from "hono";
import { RunError } from "../../errors.ts";
import type { ProtocolContext } from "../../protocol.ts";
import { cardDocument, cardOf } from "./card.ts";
import { answerJsonRpc } from "./json-rpc.ts";
import { restRoutes } from "./rest.ts";

/**
 * A2A 1.0 and 0.3 over JSON-RPC: `POST /` for the hub's first agent, `POST /agents/:agent/a2a` for each. REST of 1.0
 * is below `/a2a` and below each agent's address. Cards are where clients look for them.
 */
export function a2aRoutes(context: ProtocolContext): Hono {
  const routes = new Hono();
  const { hub } = context;

  const card = (request: Request, name: string | undefined) => {
    const { agents } = hub;
    const agent = name === undefined ? agents[0] : agents.find((each) => each.name === name);
    if (!agent) {
      const known = agents.map((each) => `"${each.name}"`).join(", ") || "none";
      throw new RunError(
        "agent_not_found",
        `Cannot find agent ${JSON.stringify(name ?? "")}: this server has ${known}`,
      );
    }
    const base = context.urlOf(request);
    const own = `${base}/agents/${agent.name}/a2a`;
    const [rpcUrl, restUrl] = name === undefined ? [`${base}/`, `${base}/a2a`] : [own, own];
    return cardOf({ agent, rpcUrl, restUrl, needsToken: context.needsToken });
  };
  const doorOf = (request: Request, agent: string | undefined) => {
    // An address that is no agent's is refused as such.
    const known = card(request, agent);
    return { agent, card: () => known };
  };
  const showCard = (request: Request, agent: string | undefined) =>
    Response.json(cardDocument(card(request, agent)), { headers: { "cache-control": "no-cache" } });

  routes.get("/.well-known/agent-card.json", (c) => showCard(c.req.raw, undefined));
  routes.get("/agents/:agent/a2a/.well-known/agent-card.json", (c) =>
    showCard(c.req.raw, c.req.param("agent")),
  );
  routes.post("/", (c) => answerJsonRpc(context, c.req.raw, doorOf(c.req.raw, undefined)));
  routes.post("/agents/:agent/a2a", (c) =>
    answerJsonRpc(context, c.req.raw, doorOf(c.req.raw, c.req.param("agent"))),
  );
  routes.route("/a2a", restRoutes(context, doorOf));
  routes.route("/agents/:agent/a2a", restRoutes(context, doorOf));
  return routes;
}
