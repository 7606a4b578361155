/** The exit codes of every command, as `runlog help exit-codes` prints them. */
export const exitCodes: Readonly<Record<number, string>> = {
  0: "done; of run, follow and replay: the run finished",
  1: "something unexpected, or the store is held, full or unavailable",
  2: "the command or the request cannot be understood or done as it is",
  3: "the run failed",
  4: "a token is needed, or it is not allowed",
  5: "the run was cancelled",
  6: "there is no such run or agent, or the run was deleted",
  7: "the server cannot be reached",
  8: "the run waits for an answer, and nobody is here to give it",
  130: "interrupted; of run and follow: detached, and the run goes on",
};
