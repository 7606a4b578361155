/// <reference lib="dom" />
// A chat as an app writes it: the messages so far from the server, then whatever is under way. `?own` is the page
// with Runlog's transport, whose stop stops the run; without it the page has the AI SDK's.
import { Chat, useChat } from "@ai-sdk/react";
import { DefaultChatTransport, type UIMessage } from "ai";
import { createElement as h, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { createChatTransport } from "../../src/client/ai-sdk.ts";

const query = new URLSearchParams(location.search);
const id = query.get("chat") ?? "chat";
const own = query.has("own") ? createChatTransport() : undefined;
const before = own ? await own.load(id) : await load();
// Made outside of the component: a component that is taken away stops a chat of its own.
const chat = new Chat({ id, messages: before, transport: own ?? new DefaultChatTransport() });

async function load(): Promise<UIMessage[]> {
  return ((await (await fetch(`/api/chat/${id}`)).json()) as { messages: UIMessage[] }).messages;
}

function Messages() {
  const { messages, status, sendMessage, stop } = useChat({ chat, resume: true });
  return h(
    "main",
    null,
    h("button", { type: "button", id: "send", onClick: () => void sendMessage({ text: "Tell me" }) }, "Send"),
    h("button", { type: "button", id: "stop", onClick: () => void stop() }, "Stop"),
    h("output", { id: "status" }, status),
    h("pre", { id: "messages" }, JSON.stringify(messages)),
  );
}

function Page() {
  const [shown, show] = useState(true);
  return h(
    StrictMode,
    null,
    h("button", { type: "button", id: "toggle", onClick: () => show(!shown) }, "Show or hide"),
    shown ? h(Messages) : null,
  );
}

createRoot(document.getElementById("root")!).render(h(Page));
