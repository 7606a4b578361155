/**
 * The part type of an application's own event: `data-` and its name, in which all but letters, digits, `.`, `_` and
 * `-` becomes `-`. Clients look the name up in an object of schemas, so a name that every object has gets a `_`.
 */
export function dataType(name: string): `data-${string}` {
  const plain = name.replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, 64) || "custom";
  return `data-${plain in {} ? `_${plain}` : plain}`;
}
