import { lstatSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** Whether this user may make links: on Windows few may, and Wine says that it made one and has not. */
export const canLink = makesLinks();

function makesLinks(): boolean {
  const folder = mkdtempSync(path.join(tmpdir(), "qrhead-link-"));
  const link = path.join(folder, "link");
  try {
    symlinkSync(folder, link);
    return lstatSync(link).isSymbolicLink();
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
