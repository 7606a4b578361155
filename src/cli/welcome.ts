import type { AgentInfo } from "../agent.ts";
import type { Durability } from "../store.ts";

export interface WelcomeOptions {
  readonly version: string;
  readonly url: string;
  /** As it was named. */
  readonly store: string;
  readonly durability: Durability;
  readonly agents: readonly AgentInfo[];
  readonly token: boolean;
  /** Whether the demo agent is served. */
  readonly demo: boolean;
}

/** What `serve` tells once it is ready: what is here, and commands that work as they stand. */
export function welcome(options: WelcomeOptions): string {
  const { version, url, store, durability, agents, token, demo } = options;
  const { hostname, port } = new URL(url);
  const here = ["127.0.0.1", "0.0.0.0", "[::1]", "[::]"].includes(hostname);
  const host = `${here ? "localhost" : hostname}:${port || 80}`;
  const flag = here && port === "8000" ? "" : ` --url http://${host}`;
  const auth = token ? ' -H "authorization: Bearer $RUNLOG_TOKEN"' : "";
  const names = agents.map(({ name, model }) => (model && model !== name ? `${name} (${model})` : name));
  const chat = demo ? "What is 17% of 2340, and which files are in this folder?" : "Hello";
  const question = demo ? "What is 17% of 2340?" : "Hello";
  return `Runlog ${version} on ${url}

  store   ${store}
          ${durability.class}: ${durability.why}
  agents  ${names.join(", ")}

Try, in another terminal:

  curl -N ${host}/chat${auth} -H 'content-type: application/json' -d '${JSON.stringify({ input: chat, stream: true })}'
  npx runlog run "${question}"${flag}
  npx runlog ls${flag}
  npx runlog follow last${flag}
  curl -N ${host}/runs/RUN_ID/events${auth}

Ctrl-C stops it.
`;
}
