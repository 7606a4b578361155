/** What an agent says in one step of a run: words that name the run, and characters of two halves. */
export function sourceText(run: string, step: number, words: number): string {
  return Array.from({ length: words }, (_, word) => `${run}.${step}.${word} 😀 `).join("");
}

/** What an agent of a simulation is asked to do; the input of its run. */
export interface Task {
  readonly steps: number;
  readonly words: number;
  /** Between two deltas, at most, in ms. */
  readonly pauseMs: number;
  /** After this step it asks a person. */
  readonly ask?: number;
  /** It does not listen to its signal. */
  readonly deaf?: boolean;
  /** In this step it throws. */
  readonly fail?: number;
}
