import { type LoadOptions, QRRetriever } from "../../src/index.ts";
import { modelPath } from "./models.ts";

/**
 * Loads a test model with every head, on the CPU. With one thread: tests run beside each other, and threads that wait for
 * one another would spin on processors that are taken.
 */
export function loadTiny(name: string, options: LoadOptions = {}): Promise<QRRetriever> {
  return QRRetriever.load({ model: modelPath(name), heads: "all", gpu: false, threads: 1, ...options });
}
