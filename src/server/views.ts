import { agentorView } from "../protocols/agentor/view.ts";
import { agentxView } from "../protocols/agentx/view.ts";
import { pydanticDeepView } from "../protocols/pydantic-deep/view.ts";
import { vibexView } from "../protocols/vibex/view.ts";
import type { View, Views } from "../view.ts";

/** What `view` may name, beside the native one. */
export const views: Views = new Map<string, (run: string) => View>([
  ["agentor", () => agentorView],
  ["pydantic-deep", () => pydanticDeepView],
  ["vibex", (run) => vibexView({ run })],
  ["agentx", (run) => agentxView({ run })],
]);
