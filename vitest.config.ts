import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    include: ["test/**/*.test.ts"],
    // Types are checked by the compiler: at run time these tests would assert nothing.
    typecheck: { enabled: true, include: ["test/**/*.test-d.ts"] },
    setupFiles: ["test/helpers/fail-on-console.ts"],
    reporters: ["default", "./test/helpers/summary-reporter.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
