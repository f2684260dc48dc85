// A build whose driver is there and finds no device, and whose second package is not installed. The CPU's package stands in.
import { expect, test, vi } from "vitest";
import { loadLibrary } from "../../src/native/library.ts";

const fallbackPackageName = "@node-llama-cpp/of-no-platform-ext";

vi.mock("../../src/native/variants.ts", async (original) => {
  const actual = await original<typeof import("../../src/native/variants.ts")>();
  const { packageName } = actual.variantsFor(false, { canOpenLibrary: () => false })[0]!;
  return {
    ...actual,
    variantsFor: () => [
      { gpu: "cuda", packageName, fallbackPackageName },
      { gpu: false, packageName },
    ],
  };
});

test("auto computes on the CPU with the build that it has", async () => {
  const { info, gpu } = await loadLibrary();
  expect(gpu).toBe("cuda");
  expect(info.devices.map(({ type }) => type)).toContain("cpu");
});

test("a GPU by name: the error names the package that is missing, and not the one that is there", async () => {
  const error = await loadLibrary({ gpu: "cuda" }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "LIBRARY_NOT_FOUND", option: "gpu" });
  const { message } = error as Error;
  expect(message).toMatch(
    /^No cuda device was found .* run npm install @node-llama-cpp\/of-no-platform-ext@\d+\.\d+\.\d+/,
  );
  expect(message).not.toContain("is not installed");
});
