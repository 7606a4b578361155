/** A process that calls a function of a module for the one that started it. */
import { answerParent } from "./processes.ts";

interface Call {
  readonly module: string;
  readonly name: string;
  readonly given: unknown;
}

answerParent({
  async call({ module, name, given }: Call) {
    const functions = (await import(module)) as Record<string, (given: unknown) => unknown>;
    return functions[name]!(given);
  },
});
