/**
 * Puts the package's own command into `node_modules/.bin`, where `npx runlog` finds it at once. Without it npx
 * installs the package into a cache of its own first: seconds at the first call, and a broken cache if that fails.
 */
import { chmodSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const link = join(root, "node_modules", ".bin", "runlog");
// Windows needs a script in place of a link; there npx goes its own way.
if (process.platform !== "win32") {
  chmodSync(join(root, "dist/cli/main.js"), 0o755);
  rmSync(link, { force: true });
  symlinkSync("../../dist/cli/main.js", link);
}
