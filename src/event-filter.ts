/** Which events of a run are wanted. What is left out excludes nothing; an empty list lets nothing through. */
export interface EventFilter {
  /** Types; `*` stands for any characters: `tool.*`, `*.delta`. */
  readonly types?: readonly string[] | undefined;
  /** Names of agents. An event without an `agent` is of the run's own. */
  readonly agents?: readonly string[] | undefined;
  /** Ids of runs and of tool calls on whose behalf it is said. An event without a `parent` is of the run itself. */
  readonly runs?: readonly string[] | undefined;
}

/** Whose events those are that do not say it. */
export interface EventOwner {
  readonly agent?: string | undefined;
  readonly run?: string | undefined;
}

interface Filtered {
  readonly type: string;
  readonly agent?: string | null;
  readonly parent?: string;
}

/** A filter as a predicate: the same for a server that leaves out events and for a client that does. */
export function eventFilter({
  types,
  agents,
  runs,
}: EventFilter): (event: Filtered, owner?: EventOwner) => boolean {
  const ofType = types && typeFilter(types);
  return (event, owner = {}) =>
    (!ofType || ofType(event.type)) &&
    isOneOf(agents, event.agent ?? owner.agent) &&
    isOneOf(runs, event.parent ?? owner.run);
}

/** The part of a filter that looks at types alone. */
export function typeFilter(types: readonly string[]): (type: string) => boolean {
  const exact = new Set(types.filter((each) => !each.includes("*")));
  const globs = types.filter((each) => each.includes("*")).map((each) => each.split("*"));
  return (type) => exact.has(type) || globs.some((parts) => fits(parts, type));
}

function isOneOf(names: readonly string[] | undefined, name: string | undefined): boolean {
  return names === undefined || (name !== undefined && names.includes(name));
}

/** Whether a text has these parts in this order, the first at its start and the last at its end. */
function fits(parts: readonly string[], text: string): boolean {
  const [first = "", ...others] = parts;
  const last = others.pop() ?? "";
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of others) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
