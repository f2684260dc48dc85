// Runs the command line at a terminal: a pseudo-terminal, as people have it.
import { spawn } from "@lydell/node-pty";
import { command } from "./cli.ts";

export type Terminal = {
  /** What the terminal has shown so far. */
  output: () => string;
  write(text: string): void;
  /** Waits until the output matches. */
  shows(pattern: RegExp): Promise<void>;
  /** The exit code. */
  ended: Promise<number>;
};

/**
 * The terminal is closed soon after its process has ended, whether all was read or not. So a shell stays until we have seen
 * the end of the output.
 */
const OVER = "<over>";
const STAY = `trap : INT; "$@"; code=$?; printf '%s' '${OVER}'; read -r _; exit $code`;

/** Starts `qrhead` at a terminal of this many columns. */
export function atTerminal(
  args: readonly string[],
  { cwd, env = {}, columns = 80 }: { cwd?: string; env?: Record<string, string>; columns?: number } = {},
): Terminal {
  const { NO_COLOR: _, CI: __, ...inherited } = process.env as Record<string, string>;
  const started = [process.execPath, ...command, ...args];
  const [file, given] =
    process.platform === "win32" ? [started[0]!, started.slice(1)] : ["sh", ["-c", STAY, "sh", ...started]];
  const pty = spawn(file, given, {
    ...{ name: "xterm-256color", cols: columns, rows: 40 },
    env: { ...inherited, ...env },
    ...(cwd !== undefined && { cwd }),
  });
  let text = "";
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const look of waiting) look();
  };
  let isWhole = false;
  pty.onData((part) => {
    if (isWhole) return;
    text += part;
    const end = text.indexOf(OVER);
    if (end >= 0) {
      isWhole = true;
      text = text.slice(0, end);
      pty.write("\r");
    }
    wake();
  });
  let isOver = false;
  const ended = new Promise<number>((resolve) => {
    pty.onExit(({ exitCode }) => {
      isOver = true;
      wake();
      resolve(exitCode);
    });
  });
  return {
    output: () => text,
    write: (input) => pty.write(input),
    ended,
    shows: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!pattern.test(text) && !isOver) return;
          waiting.delete(look);
          if (pattern.test(text)) resolve();
          else reject(new Error(`${pattern} was not shown: ${text}`));
        };
        waiting.add(look);
        look();
      }),
  };
}
