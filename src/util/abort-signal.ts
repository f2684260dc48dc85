/** What a signal must have; those of polyfills and of other realms (a test environment, an iframe, a vm) have it too. */
type SignalLike = {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
};

const own = new WeakMap<object, AbortSignal>();

export function isSignal(value: unknown): value is AbortSignal {
  if (typeof value !== "object" || value === null) return false;
  const { aborted, addEventListener } = value as Partial<SignalLike>;
  return typeof aborted === "boolean" && typeof addEventListener === "function";
}

/**
 * The signal itself, or one of this realm that a foreign one sets: Node takes no other, and a polyfill's may lack
 * `throwIfAborted` and `reason`. One for each, so that a foreign signal that lives long gathers no listeners.
 */
export function ownSignal(signal: AbortSignal): AbortSignal;
export function ownSignal(signal: AbortSignal | undefined): AbortSignal | undefined;
export function ownSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  const foreign = signal as SignalLike;
  const known = own.get(foreign);
  if (known) return known;
  const controller = new AbortController();
  const abort = () => controller.abort(foreign.reason);
  if (foreign.aborted) abort();
  else foreign.addEventListener("abort", abort, { once: true });
  own.set(foreign, controller.signal);
  return controller.signal;
}
