import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["runlog-source"] },
  ssr: { resolve: { conditions: ["runlog-source", "node", "import"] } },
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: 30_000,
    // Two cores: more workers than that only make the tests of real processes wait for each other.
    maxWorkers: 2,
  },
});
