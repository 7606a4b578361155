/**
 * The SSE event that a `custom` event is shown as: what the program sent under `agentx.NAME` as NAME, an
 * application's own `app.thing` as it is. Undefined for what cannot be a name there; `reset` is Runlog's own.
 */
export function eventName(custom: string): string | undefined {
  const sent = custom.startsWith("agentx.") ? custom.slice("agentx.".length) : undefined;
  const name = sent ?? (custom.includes(".") ? custom : "");
  return /^[\w.-]{1,64}$/.test(name) && name !== "reset" ? name : undefined;
}
