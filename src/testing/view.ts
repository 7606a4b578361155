export { keep, RUN, shown, testProtocol as testView } from "./protocol.ts";
