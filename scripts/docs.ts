/**
 * Fills the fences of the documents that are quoted from examples: `<!-- from FILE: REGION -->` stands before
 * them. `npm run docs` writes, and a test fails when a document is not up to date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
export const documents = [
  "README.md",
  "PROTOCOL.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "docs/deploy.md",
  "docs/sizing.md",
  "docs/guides/adapters.md",
  "docs/guides/streams.md",
  "docs/guides/tracing.md",
];

/** A document with its quotes as the examples are now. */
export function quoted(document: string): string {
  const text = readFileSync(join(root, document), "utf8");
  return text.replaceAll(
    /<!-- from (\S+): (\S+) -->\n```(\w+)\n[\s\S]*?```/g,
    (_, file: string, region: string, language: string) =>
      `<!-- from ${file}: ${region} -->\n\`\`\`${language}\n${regionOf(file, region)}\`\`\``,
  );
}

function regionOf(file: string, name: string): string {
  const text = readFileSync(join(root, file), "utf8");
  const match = new RegExp(`^// #region ${name}\\n([\\s\\S]*?)^// #endregion`, "m").exec(text);
  if (!match) throw new Error(`There is no region "${name}" in ${file}`);
  return match[1]!;
}

if (import.meta.main) for (const document of documents) writeFileSync(join(root, document), quoted(document));
