import { testView } from "../../testing/view.ts";
import { nativeView } from "./view.ts";

testView("native", { open: () => nativeView() });
testView("native, with cursors", { open: () => nativeView({ cursors: true }) });
testView("native, of some types", { open: () => nativeView({ types: ["text.delta", "tool.called"] }) });
