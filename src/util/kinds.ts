// The kind of a value, for checks of arguments. None of these functions throws.

/** Whether reading it would throw: a proxy whose target was taken away. */
export function isRevoked(value: unknown): boolean {
  try {
    // A bundler leaves out a call whose value nobody uses.
    return Array.isArray(value) && false;
  } catch {
    return true;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: what TypeScript says of Array.isArray.
export function isList(value: unknown): value is any[] {
  return !isRevoked(value) && Array.isArray(value);
}

/** The values of an array or a typed array, holes as undefined; undefined for anything else. */
export function valuesOfList(value: unknown): unknown[] | undefined {
  if (isList(value)) return Array.from(value);
  const isTyped = ArrayBuffer.isView(value) && !(value instanceof DataView);
  return isTyped ? Array.from(value as unknown as ArrayLike<number>) : undefined;
}

/** An object that is no list and can be read. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !isRevoked(value) && !Array.isArray(value);
}

/** The fields of an object or a function; none of anything else. */
export function fieldsOf<T extends object>(value: unknown): Partial<T> {
  const has = (typeof value === "object" && value !== null) || typeof value === "function";
  return has && !isRevoked(value) ? (value as Partial<T>) : {};
}
