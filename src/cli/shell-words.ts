/** Words of a command as they can be pasted: into a shell, or on Windows into PowerShell and cmd.exe, which share double quotes. */
export function shellWords(words: readonly string[], isWindows = process.platform === "win32"): string {
  const plain = isWindows ? /^[\w./\\:+=-]+$/ : /^[\w./:@%+=,-]+$/;
  const quoted = (word: string) =>
    isWindows ? `"${word.replaceAll('"', '\\"')}"` : `'${word.replaceAll("'", "'\\''")}'`;
  return words.map((word) => (plain.test(word) ? word : quoted(word))).join(" ");
}
