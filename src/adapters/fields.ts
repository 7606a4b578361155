/** What a foreign object holds, looked at name by name: nothing of it is certain. */
export type Fields = { readonly [name: string]: unknown };

/** The fields of a value; none for what is no object. */
export function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

/** The items of an array; none for anything else. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A text, or undefined. */
export function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The JSON in a text: what a model wrote as arguments. What is no JSON stays the text it is; an empty one is `{}`. */
export function parsed(value: unknown): unknown {
  if (typeof value !== "string") return value;
  if (value.trim() === "") return {};
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
