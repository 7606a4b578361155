import type { AgentEvent } from "./events.ts";

/** What a provider says of a request that it took all the same, as the AI SDK tells it. */
export interface ProviderWarning {
  readonly type: string;
  readonly feature?: string;
  readonly setting?: string;
  readonly details?: string;
  readonly message?: string;
}

/** A warning, as an `error` event with the code `warning`. */
export function warningEvent({ type, feature, setting, details, message }: ProviderWarning): AgentEvent {
  const what = feature ?? setting ?? type;
  const said =
    type === "deprecated"
      ? `"${what}" is deprecated: ${message}`
      : (message ?? `The model does not support "${what}"${details ? `: ${details}` : ""}`);
  return { type: "error", code: "warning", message: said, retryable: false };
}
