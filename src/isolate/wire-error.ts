import { ContextOverflowError, InputError, QRHeadError } from "../errors.ts";
import type { WireError } from "./protocol.ts";

const CLASSES: Readonly<Record<string, { prototype: object }>> = {
  ...{ QRHeadError, InputError, ContextOverflowError },
  ...{ TypeError, RangeError, SyntaxError },
};
const OF_ERROR = new Set(["name", "message", "stack", "cause"]);

/** An error as plain data; of its causes the sentence alone. */
export function toWire(error: unknown): WireError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), fields: {} };
  const { name, message, stack, cause } = error;
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(error)) {
    // What cannot be copied between processes is left out.
    if (!OF_ERROR.has(key) && typeof value !== "function" && typeof value !== "symbol") fields[key] = value;
  }
  if (cause instanceof Error) fields.causedBy = `${cause.name}: ${cause.message}`;
  return { name, message, ...(stack !== undefined && { stack }), fields };
}

/** The error again, of its own class: `instanceof`, `code` and the other fields are as they were. */
export function fromWire({ name, message, stack, fields }: WireError): Error {
  const { causedBy, ...own } = fields;
  const error = new Error(message, causedBy === undefined ? undefined : { cause: new Error(String(causedBy)) });
  Object.setPrototypeOf(error, (CLASSES[name] ?? Error).prototype);
  Object.defineProperty(error, "name", { value: name, writable: true, configurable: true, enumerable: false });
  if (stack !== undefined) error.stack = stack;
  return Object.assign(error, own);
}
