// The platforms that addons are made for. `libraries` is node-llama-cpp's package with the CPU build of llama.cpp.
// musl is not among them: node-llama-cpp's Linux libraries need the GNU C library (docs/platforms.md).

/** The oldest GNU C library and macOS that the addons run on; node-llama-cpp's own libraries ask for more. */
export const OLDEST = { glibc: "2.28", macos: "11.0" };

const target = (name, triple, libraries) => {
  const [platform, arch] = name.split("-");
  return { name, platform, arch, triple, libraries: `@node-llama-cpp/${libraries}` };
};

export const TARGETS = [
  target("linux-x64", `x86_64-linux-gnu.${OLDEST.glibc}`, "linux-x64"),
  target("linux-arm64", `aarch64-linux-gnu.${OLDEST.glibc}`, "linux-arm64"),
  target("win32-x64", "x86_64-windows-gnu", "win-x64"),
  target("win32-arm64", "aarch64-windows-gnu", "win-arm64"),
  target("darwin-x64", `x86_64-macos.${OLDEST.macos}`, "mac-x64"),
  target("darwin-arm64", `aarch64-macos.${OLDEST.macos}`, "mac-arm64-metal"),
];

/** @throws Error that names the platforms there are. */
export function targetNamed(name) {
  const found = TARGETS.find((one) => one.name === name);
  if (!found) throw new Error(`Expected one of ${TARGETS.map((one) => one.name).join(", ")}, got ${name}`);
  return found;
}
