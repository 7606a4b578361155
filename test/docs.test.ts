import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { documents, quoted } from "../scripts/docs.ts";

const root = join(import.meta.dirname, "..");
const read = (file: string) => readFileSync(join(root, file), "utf8");

const testFiles = globSync(["src/**/*.test.ts", "src/testing/*.ts", "test/**/*.test.ts"], { cwd: root });

describe("the documents", () => {
  it.each(documents)("%s quotes the examples as they are (npm run docs writes it anew)", (document) => {
    expect(quoted(document)).toBe(read(document));
  });

  it.each(["AGENTS.md", ...documents])("%s links only to what is there", (document) => {
    const links = [...read(document).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1]!);
    expect(links.filter((link) => !existsSync(join(root, dirname(document), link)))).toEqual([]);
  });

  it("have no row of docs/features.md that no test cites, and no test cites a row that is not there", () => {
    const rows = new Set([...read("docs/features.md").matchAll(/^\| (F\d+) /gm)].map((match) => match[1]!));
    const cited = citedBy(/\[(F\d+)\]/g);
    expect([...cited].filter((row) => !rows.has(row))).toEqual([]);
    expect([...rows].filter((row) => !cited.has(row))).toEqual([]);
  });

  it("are cited by tests that run: none is left out for good", () => {
    const left = testFiles.filter((file) => /\b(it|test|describe)\.(skip|todo)\(/.test(read(file)));
    expect(left).toEqual([]);
  });

  it("have no section of PROTOCOL.md that no test cites, and no test cites a section that is not there", () => {
    const sections = [...read("PROTOCOL.md").matchAll(/^## (P\d+) /gm)].map((match) => match[1]!);
    const cited = citedBy(/\[(P\d+)\]/g);
    expect([...cited].filter((section) => !sections.includes(section))).toEqual([]);
    expect(sections.filter((section) => !cited.has(section))).toEqual([]);
  });
});

/** What the titles of tests cite. */
function citedBy(pattern: RegExp): Set<string> {
  return new Set(testFiles.flatMap((file) => [...read(file).matchAll(pattern)].map((match) => match[1]!)));
}
