export { SocketClient, SocketClosedError } from "../transports/websocket/client.ts";
export { readEntries } from "./entries.ts";
export { type Connection, type Followed, type FollowedEntry, type FollowOptions, follow } from "./follow.ts";
export { Http, UnreachableError } from "./http.ts";
