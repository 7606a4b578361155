import type { Hub } from "../hub.ts";

/** `GET /`: what is here, and what to type; as a page for browsers, as text for terminals. */
export function homePage(hub: Hub, accept: string, origin: string): Response {
  const { durability } = hub.store;
  const agents =
    hub.agents.map(({ name, model }) => (model ? `${name} (${model})` : name)).join(", ") || "none";
  const text = `Runlog: one log per run, every protocol a view of it.

agents      ${agents}
durability  ${durability.class}: ${durability.why}

  curl -N ${origin}/chat -H 'content-type: application/json' \\
       -d '{"input":"What is 17% of 2340, and which files are in this folder?","stream":true}'
  curl ${origin}/runs
  curl -N ${origin}/runs/RUN_ID/events

POST   /runs                {agent?, input, id?, history?, thread?, tags?, metadata?}
GET    /runs                ?status= ?agent= ?thread= ?before= ?limit=
POST   /runs/import         a recording, as NDJSON
GET    /runs/:id
GET    /runs/:id/events     SSE, NDJSON or JSON by Accept; ?after= ?view= ?types=
POST   /runs/:id/events     from a producer elsewhere
POST   /runs/:id/input      input.approval, input.message, input.cancel
POST   /runs/:id/cancel
DELETE /runs/:id
POST   /chat                {input, stream}
POST   /                    A2A, 1.0 and 0.3; the card is at /.well-known/agent-card.json, REST under /a2a
POST   /api/chat            useChat of the AI SDK; GET /api/chat/:id and /stream, POST .../stop
POST   /ag-ui               AG-UI; who comes late: GET /ag-ui/:thread
WS     /ws                  the subprotocol runlog.1 for up to 64 runs; without one {"text"}
GET    /tasks/:id/stream    as AgentX's clients know it; /projects/:id/stream as VibeX's
GET    /agents
GET    /health
`;
  if (!accept.includes("text/html"))
    return new Response(text, { headers: { "content-type": "text/plain; charset=utf-8" } });
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Runlog</title>
<meta name="viewport" content="width=device-width">
<style>body{font:15px/1.5 system-ui;margin:3rem auto;max-width:60rem;padding:0 1rem;color-scheme:light dark}pre{overflow:auto}</style>
<h1>Runlog</h1><pre>${escapeHtml(text)}</pre></html>`;
  const csp =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
  return new Response(html, {
    headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": csp },
  });
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
