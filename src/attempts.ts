import type { Origin, StreamEvent } from "./events.ts";
import { speakerOf } from "./speaker.ts";

/**
 * What was said in attempts that may yet be withdrawn, by whoever said it. A step of an agent inside the run
 * settles and withdraws only its own; what the run's own agent withdraws takes along what was said in its step.
 */
export class Attempts<Said> {
  /** Who has a step under way, by step. */
  readonly #steps = new Map<string, string>();
  /** Whether it goes with its own agent, where that is one inside the run, and with the run's own agent. */
  readonly #said = new Map<Said, { readonly who: string; own: boolean; outer: boolean }>();

  clone(): Attempts<Said> {
    const copy = new Attempts<Said>();
    for (const [step, who] of this.#steps) copy.#steps.set(step, who);
    for (const [said, of] of this.#said) copy.#said.set(said, { ...of });
    return copy;
  }

  say(said: Said, origin: Origin): void {
    const who = speakerOf(origin);
    const own = who !== "" && [...this.#steps.values()].includes(who);
    this.#said.set(said, { who, own, outer: true });
  }

  /** What is told no more is not withdrawn either. */
  forget(said: Said): void {
    this.#said.delete(said);
  }

  /** Whether something may yet be withdrawn. */
  has(said: Said): boolean {
    return this.#said.has(said);
  }

  /** Whether a step is under way. */
  get underWay(): boolean {
    return this.#steps.size > 0;
  }

  /** Whether a step of somebody else than an event's agent is under way. */
  besides(event: Origin): boolean {
    return [...this.#steps.values()].some((who) => who !== speakerOf(event));
  }

  /** Whether a step that begins or ends is one for what somebody has said: of their own, or the only one. */
  bounds(step: Origin, said: Origin): boolean {
    return speakerOf(step) === speakerOf(said) || !this.besides(step);
  }

  /** Takes one more event. Returns what it withdraws. */
  apply(event: StreamEvent): Said[] {
    switch (event.type) {
      case "step.started":
        this.#settle(speakerOf(event));
        this.#steps.set(`${event.step} ${speakerOf(event)}`, speakerOf(event));
        return [];
      case "step.finished":
        this.#settle(speakerOf(event));
        this.#steps.delete(`${event.step} ${speakerOf(event)}`);
        return [];
      case "step.retried":
        return this.#withdraw(speakerOf(event));
      case "run.resumed": {
        // Between two steps nothing is open that could be withdrawn.
        const open = new Set(this.#steps.values());
        this.#steps.clear();
        return [...open].flatMap((each) => this.#withdraw(each));
      }
      default:
        return [];
    }
  }

  #settle(who: string): void {
    for (const [said, of] of this.#said) {
      if (who === of.who) of.own = false;
      if (who === "") of.outer = false;
      if (!of.own && !of.outer) this.#said.delete(said);
    }
  }

  #withdraw(who: string): Said[] {
    const withdrawn = [...this.#said].flatMap(([said, of]) =>
      (who === "" ? of.outer : of.own && of.who === who) ? [said] : [],
    );
    for (const said of withdrawn) this.#said.delete(said);
    return withdrawn;
  }
}
