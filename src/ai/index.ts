export { Agent, type AgentOptions, type ProviderTool } from "./agent.ts";
export { costOf, type Priced } from "./cost.ts";
export { type DemoAgentOptions, demoAgent } from "./demo-agent.ts";
export { type DemoModelOptions, demoModel } from "./demo-model.ts";
export { type ProviderApproval, toModelMessages } from "./model-messages.ts";
export {
  type CompatibleModel,
  checkModel,
  type ModelChoice,
  type ModelOptions,
  type ProviderModel,
  type ResolvedModel,
  resolveModel,
} from "./models.ts";
export type { StandardSchema } from "./standard-schema.ts";
export { type ApprovalContext, type Tool, type ToolContext, type ToolOptions, tool } from "./tool.ts";
