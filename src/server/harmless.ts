/** Somebody's own listener, whose failure harms nobody: thrown at an upgrade, it would end the process. */
export function harmless<Told>(listener: ((told: Told) => void) | undefined): (told: Told) => void {
  return (told) => {
    try {
      listener?.(told);
    } catch {
      // There is nobody else to tell.
    }
  };
}
