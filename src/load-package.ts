import { RunError } from "./errors.ts";

/**
 * Loads a package that may be missing. Throws `missing_package` with what to install: `install` names the packages,
 * where it takes more than this one.
 */
export async function loadPackage<Module>(
  name: string,
  open: () => Promise<Module>,
  install = name,
): Promise<Module> {
  try {
    return await open();
  } catch (cause) {
    const { code, message } = cause as { code?: string; message?: string };
    if (code !== "ERR_MODULE_NOT_FOUND" || !message?.includes(name)) throw cause;
    throw new RunError("missing_package", `Cannot load "${name}": npm install ${install}`, { cause });
  }
}
