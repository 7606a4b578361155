/** What the agent says in a step, before the step's number. */
export const WORDS = ["This", "is", "what", "I", "say", "in", "step"] as const;

/** A whole sentence, as it stands in the log. */
export function sentence(step: number): string {
  return `${WORDS.join(" ")} ${step}. `;
}
