export { type A2aAgentOptions, a2aAgent } from "./agent.ts";
