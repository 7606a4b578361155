import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openStore } from "./open.ts";

const FORMS = '"memory:" or "sqlite:PATH" or "nats://HOST:PORT" or "redis://[:PASSWORD@]HOST:PORT/DB"';

const folder = mkdtempSync(join(tmpdir(), "runlog-open-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("openStore", () => {
  it("opens memory:", async () => {
    await using store = await openStore("memory:");
    expect(store.durability.class).toBe("D0");
  });

  it("opens sqlite:PATH", async () => {
    const path = join(folder, "new", "a b.db");
    await using store = await openStore(`sqlite:${path}`);
    expect(store.durability.class).toBe("D3");
    expect(existsSync(path)).toBe(true);
  });

  it.each([
    "",
    "memory",
    "memory:x",
    "sqlite:",
    "sqlite::memory:",
    "sqlite://a.db",
    "SQLITE:a.db",
    "runs.db",
  ])("refuses %j, and says what it takes", async (url) => {
    await expect(openStore(url)).rejects.toMatchObject({
      code: "invalid_request",
      message: `Cannot open store "${url}": it must be ${FORMS}`,
    });
  });

  it("does not repeat the password of a URL it refuses", async () => {
    await expect(openStore("postgres://me:p@ss/w@host/db")).rejects.toMatchObject({
      message: `Cannot open store "postgres://***@host/db": it must be ${FORMS}`,
    });
  });

  it("lets the store say why it cannot be opened", async () => {
    await expect(openStore(`sqlite:${folder}`)).rejects.toMatchObject({ code: "store_unavailable" });
  });
});
