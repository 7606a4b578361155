import { testProtocol } from "../../testing/protocol.ts";
import { nativeView } from "./view.ts";

testProtocol("native", { open: () => nativeView(), golden: "view.golden.txt" });
testProtocol("native, with cursors", { open: () => nativeView({ cursors: true }) });
testProtocol("native, of some types", { open: () => nativeView({ types: ["text.delta", "tool.called"] }) });
