import { messageOf } from "./errors.ts";

/** Somebody's own listener, whose failure harms nobody: it could end the process, or leave a run without an end. */
export function harmless<Told extends readonly unknown[]>(
  listener: ((...told: Told) => void) | undefined,
): (...told: Told) => void {
  return (...told) => {
    try {
      listener?.(...told);
    } catch (error) {
      process.emitWarning(`A listener threw: ${messageOf(error)}`, "RunlogWarning");
    }
  };
}
