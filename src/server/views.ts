import { a2aView } from "../protocols/a2a/view.ts";
import { agUiView } from "../protocols/ag-ui/view.ts";
import { agentorView } from "../protocols/agentor/view.ts";
import { agentxView } from "../protocols/agentx/view.ts";
import { pydanticDeepView } from "../protocols/pydantic-deep/view.ts";
import { uiMessageView } from "../protocols/ui-message/view.ts";
import { vibexView } from "../protocols/vibex/view.ts";
import type { View, Views } from "../view.ts";

/** What `view` may name, beside the native one. */
export const views: Views = new Map<string, (run: string) => View>([
  ["agentor", () => agentorView],
  ["pydantic-deep", () => pydanticDeepView],
  ["vibex", (run) => vibexView({ run })],
  ["agentx", (run) => agentxView({ run })],
  ["a2a", (run) => a2aView({ run })],
  ["ui-message", (run) => uiMessageView(run)],
  ["ag-ui", (run) => agUiView({ run })],
]);
