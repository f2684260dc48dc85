/** Resolves at the first SIGTERM or Ctrl+C, so that a server finishes what it does; the second one ends the process at once. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let isStopping = false;
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      process.on(name, () => {
        if (isStopping) process.exit(130);
        isStopping = true;
        resolve();
      });
    }
  });
}
