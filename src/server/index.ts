export { type App, type AppOptions, createApp, type RequestLine } from "./app.ts";
export type { GuardOptions } from "./guard.ts";
export { type Listening, type ListenOptions, listen } from "./listen.ts";
export { nodeHandler } from "./node-handler.ts";
export { toUIMessageStreamResponse, type UIMessageStreamResponseOptions } from "./ui-message-response.ts";
