// A platform's Node at a terminal, as people have it.
import { spawn } from "@lydell/node-pty";
import { commandOf, environmentOf } from "./emulators.mjs";

/** A shell stays until the end of the output was seen: the terminal closes with its last process, whether all was read or not. */
const OVER = "<over>";
const STAY = `trap : INT; "$@"; code=$?; printf '%s' '${OVER}'; read -r _; exit $code`;

/**
 * Runs to the end.
 *
 * @param options.once Writes `text` as soon as the terminal shows `pattern`.
 * @returns `{ status, output }`
 */
export function atTerminal(name, folder, args, { once, timeout = 1_200_000 } = {}) {
  const { NO_COLOR: _, CI: __, ...env } = environmentOf(name, folder);
  const started = ["-c", STAY, "sh", ...commandOf(name, folder), ...args];
  const terminal = spawn("sh", started, { name: "xterm-256color", cols: 100, rows: 40, cwd: folder, env });
  return new Promise((resolve, reject) => {
    let output = "";
    let waiting = once;
    const timer = setTimeout(() => {
      terminal.kill("SIGKILL");
      reject(new Error(`nothing more was shown after ${JSON.stringify(output.slice(-500))}`));
    }, timeout);
    terminal.onData((text) => {
      output += text;
      if (output.includes(OVER)) terminal.write("\r");
      if (!waiting?.pattern.test(output)) return;
      terminal.write(waiting.text);
      waiting = undefined;
    });
    terminal.onExit(({ exitCode }) => {
      clearTimeout(timer);
      resolve({ status: exitCode, output: output.replace(OVER, "") });
    });
  });
}
