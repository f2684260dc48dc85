// A platform's Node at a terminal, as people have it.
import { readdirSync, readFileSync } from "node:fs";
import { spawn } from "@lydell/node-pty";
import { commandOf, environmentOf } from "./emulators.mjs";

/** A shell stays until the end of the output was seen: the terminal closes with its last process, whether all was read or not. */
const OVER = "<over>";
const STAY = `trap : INT; "$@"; code=$?; printf '%s' '${OVER}'; read -r _; exit $code`;

/**
 * Emulated and beside other work a second takes minutes, so what is limited is processor time, and the time in which nothing
 * is shown and hardly anything computed.
 */
const LIMITS = { computed: 1800, stuckAfterMs: 300_000, stuckBelow: 1 };

/** Seconds of processor time of a process and those below it, as far as they run. */
function secondsComputed(top) {
  const fields = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      // The name, which may have spaces, ends with the last bracket.
      fields.set(Number(pid), readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ").map(Number));
    } catch {} // It ended meanwhile.
  }
  const isBelow = (pid) => pid === top || (fields.has(pid) && isBelow(fields.get(pid)[1]));
  const own = [...fields]
    .filter(([pid]) => isBelow(pid))
    .map(([, [, , , , , , , , , , , user, system]]) => user + system);
  return own.reduce((sum, ticks) => sum + ticks, 0) / 100;
}

/**
 * Runs to the end.
 *
 * @param options.once Writes `text` as soon as the terminal shows `pattern`.
 * @returns `{ status, output }`
 */
export function atTerminal(name, folder, args, { once } = {}) {
  const { NO_COLOR: _, CI: __, ...env } = environmentOf(name, folder);
  const started = ["-c", STAY, "sh", ...commandOf(name, folder), ...args];
  const terminal = spawn("sh", started, { name: "xterm-256color", cols: 100, rows: 40, cwd: folder, env });
  return new Promise((resolve, reject) => {
    let output = "";
    let waiting = once;
    let last = { at: performance.now(), computed: 0, shown: 0 };
    const timer = setInterval(() => {
      const now = { at: performance.now(), computed: secondsComputed(terminal.pid), shown: output.length };
      const isStuck = now.at - last.at > LIMITS.stuckAfterMs;
      if (now.computed > LIMITS.computed || isStuck) {
        clearInterval(timer);
        terminal.kill("SIGKILL");
        const why = isStuck ? "it computes no more" : `not over after ${LIMITS.computed} s of processor time`;
        reject(new Error(`${why}, and shows ${JSON.stringify(output.slice(-500))}`));
      } else if (now.shown > last.shown || now.computed - last.computed > LIMITS.stuckBelow) {
        last = now;
      }
    }, 5000);
    terminal.onData((text) => {
      output += text;
      if (output.includes(OVER)) terminal.write("\r");
      if (!waiting?.pattern.test(output)) return;
      terminal.write(waiting.text);
      waiting = undefined;
    });
    terminal.onExit(({ exitCode }) => {
      clearInterval(timer);
      resolve({ status: exitCode, output: output.replace(OVER, "") });
    });
  });
}
