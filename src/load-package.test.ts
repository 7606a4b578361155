import { describe, expect, it } from "vitest";
import { loadPackage } from "./load-package.ts";

describe("a package that is not installed", () => {
  const missing = Object.assign(new Error("Cannot find package '@some/none' imported from models.js"), {
    code: "ERR_MODULE_NOT_FOUND",
  });

  it("is told with the command that installs it, and what else it takes", async () => {
    await expect(loadPackage("@some/none", () => Promise.reject(missing))).rejects.toMatchObject({
      code: "missing_package",
      message: 'Cannot load "@some/none": npm install @some/none',
      cause: missing,
    });
    await expect(
      loadPackage("@some/none", () => Promise.reject(missing), "@some/none @some/other"),
    ).rejects.toThrow("npm install @some/none @some/other");
  });

  it("is not blamed for what another package misses", async () => {
    await expect(loadPackage("@some/other", () => Promise.reject(missing))).rejects.toBe(missing);
  });
});
