import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");

/** Which folders of `src` a folder may import; "." is the core, the files at the top. Data flows one way. */
const mayImport: Record<string, readonly string[]> = {
  internal: ["internal"],
  ".": [".", "internal"],
  stores: ["stores", ".", "internal"],
  ai: ["ai", ".", "internal"],
  protocols: ["protocols", ".", "internal"],
  transports: ["transports", ".", "internal"],
  streams: ["streams", ".", "internal"],
  tracing: ["tracing", ".", "internal"],
  adapters: ["adapters", ".", "internal"],
  server: ["server", "protocols", "transports", ".", "internal"],
  client: ["client", "transports", ".", "internal"],
  compat: [
    "compat",
    "server",
    "protocols",
    "transports",
    "stores",
    "ai",
    "streams",
    "tracing",
    ".",
    "internal",
  ],
  cli: ["cli", "client", "server", "stores", "ai", "transports", ".", "internal"],
  testing: ["testing", "server", "stores", "ai", "transports", "protocols", ".", "internal"],
};

interface Import {
  readonly from: string;
  readonly to: string;
}

const files = globSync("src/**/*.ts", { cwd: root }).filter((file) => !/\.(test|fixture)\.ts$/.test(file));

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  return [...text.matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map((match) => match[1]!);
}

const folderOf = (file: string) => {
  const [, folder, ...rest] = file.split("/");
  return rest.length > 0 ? folder! : ".";
};

const inside: Import[] = files.flatMap((file) =>
  importsOf(file)
    .filter((to) => to.startsWith("."))
    .map((to) => ({ from: file, to: normalize(join(dirname(file), to)) })),
);

describe("the architecture", () => {
  it("is seen whole: every import leads to a file of src", () => {
    expect(inside.length).toBeGreaterThan(50);
    expect(inside.filter(({ to }) => !files.includes(to))).toEqual([]);
  });

  it("lets each folder import only what stands before it", () => {
    const against = inside.filter(({ from, to }) => !mayImport[folderOf(from)]?.includes(folderOf(to)));
    expect(against).toEqual([]);
  });

  it("keeps stores, protocols and transports apart from their siblings", () => {
    const family = (file: string) => file.split("/").slice(0, 3).join("/");
    const across = inside.filter(
      ({ from, to }) =>
        ["protocols", "transports"].includes(folderOf(from)) &&
        folderOf(from) === folderOf(to) &&
        family(from) !== family(to),
    );
    expect(across).toEqual([]);
  });

  /** What runs in a browser, and the packages that it may load there. */
  const browser: Record<string, readonly string[]> = {
    "src/client/index.ts": ["eventsource-parser"],
    "src/client/ai-sdk.ts": ["ai"],
    "src/client/ag-ui.ts": ["@ag-ui/client", "eventsource-parser"],
  };

  it.each(Object.entries(browser))(
    "keeps Node and packages out of %s, which runs in a browser",
    (entry, packages) => {
      const seen = new Set([entry]);
      for (const file of seen) for (const { from, to } of inside) if (from === file) seen.add(to);
      const foreign = [...seen].flatMap((file) =>
        importsOf(file).filter((to) => !to.startsWith(".") && !packages.includes(to)),
      );
      expect(foreign).toEqual([]);
    },
  );

  it("imports packages that may be missing only where they are used, when they are used", () => {
    const optional = [
      ...["@ai-sdk/anthropic", "@ai-sdk/google", "@ai-sdk/openai", "@opentelemetry/api"],
      ...["ioredis", "@nats-io/transport-node", "@nats-io/jetstream"],
      ...["@mastra/core", "@openai/agents", "@langchain/core", "@langchain/langgraph"],
    ];
    const static_ = files.filter((file) => {
      const text = readFileSync(join(root, file), "utf8");
      return optional.some((name) => new RegExp(`^import (?!type).*"${name}"`, "m").test(text));
    });
    expect(static_).toEqual([]);
  });
});
