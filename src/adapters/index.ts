export { type AnsweredCall, answeredCalls } from "./answered-calls.ts";
export type { AdapterOptions } from "./blocks.ts";
export { type AISDKPart, type AISDKResult, fromAISDK } from "./from-ai-sdk.ts";
export { fromLangGraph, type LangGraphOptions, type LangGraphStream } from "./from-lang-graph.ts";
export { type LangGraphAnswer, type LangGraphAnswers, langGraphAnswers } from "./from-lang-graph-answers.ts";
export type { LangGraphMode } from "./from-lang-graph-chunk.ts";
export { fromMastra, type MastraChunk, type MastraResult } from "./from-mastra.ts";
export { fromOpenAIAgents, type OpenAIAgentsEvent, type OpenAIAgentsResult } from "./from-openai-agents.ts";
export {
  type OpenAIAgentsAnswer,
  type OpenAIAgentsInterruption,
  type OpenAIAgentsRunState,
  type OpenAIAgentsWait,
  openAIAgentsState,
} from "./from-openai-agents-state.ts";
export { type OpenAIAgentsToolEvent, onAgentTool } from "./from-openai-agents-tool.ts";
export { type ModelMessages, modelMessages } from "./model-messages.ts";
