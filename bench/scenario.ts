import { median } from "./figures.ts";

export interface Setting {
  /** How long a measurement takes, once warm. */
  readonly seconds: number;
  /** Whether everything is done with less, to see that it works. */
  readonly short: boolean;
}

export type Figures = Readonly<Record<string, number>>;

/** One that is measured: Runlog, the limit, or a peer. */
export interface Contender {
  readonly name: string;
  /** Why it cannot be measured here, or undefined. */
  readonly missing?: (() => string | undefined) | undefined;
  /** Left out where everything is short. */
  readonly extra?: boolean;
  readonly measure: (setting: Setting) => Promise<Figures>;
}

export interface Column {
  /** The figure's name. */
  readonly key: string;
  readonly head: string;
  readonly show: (figure: number) => string;
}

/** The figures of a contender in one round; of none that could not be measured. */
export type Round = (contender: string) => Figures | undefined;

/** What should hold: a figure of each round, of which the median counts. */
export interface Wanted {
  readonly what: string;
  readonly of: (round: Round) => number | undefined;
  readonly atLeast?: number;
  readonly atMost?: number;
  /** Printed behind the figure. @default none: it is a ratio */
  readonly unit?: string;
  /** Where this does not hold, the machine was too busy for the others of the scenario to say anything. */
  readonly noise?: boolean;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly columns: readonly Column[];
  readonly contenders: readonly Contender[];
  readonly wanted: readonly Wanted[];
}

export interface Row {
  readonly contender: string;
  /** Medians of the rounds. */
  readonly figures: Figures;
  /** Why there are none. */
  readonly missing?: string;
}

export interface Verdict {
  readonly what: string;
  readonly figure: number | null;
  /** The lowest and the highest of the rounds. */
  readonly range: readonly [number, number] | null;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly unit?: string;
  /** Null where it was not measured. */
  readonly met: boolean | null;
  /** Whether the machine was too busy for it to say anything. */
  readonly noisy: boolean;
}

export interface Result {
  readonly scenario: string;
  readonly title: string;
  readonly rounds: number;
  readonly rows: readonly Row[];
  readonly verdicts: readonly Verdict[];
}

export interface Course {
  readonly say: (text: string) => void;
  /** No round is begun, after the first, that would not be done by then; times as by `performance.now`. */
  readonly until: number;
  /** Nothing is begun after this. */
  readonly end: number;
}

/**
 * Measures all contenders in each round, so that what disturbs the machine for a while disturbs them alike; what is
 * compared is compared within a round.
 */
export async function runScenario(
  scenario: Scenario,
  rounds: number,
  setting: Setting,
  { say, until, end }: Course,
): Promise<Result> {
  const missing = new Map<string, string>();
  for (const { name, missing: why, extra } of scenario.contenders) {
    const reason = extra && setting.short ? "left out of --short" : why?.();
    if (reason !== undefined) missing.set(name, reason);
  }
  const measured: Map<string, Figures>[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    const figures = new Map<string, Figures>();
    measured.push(figures);
    for (const { name, measure } of scenario.contenders) {
      if (missing.has(name)) continue;
      if (performance.now() > end) {
        missing.set(name, "not measured: there was no time left");
        continue;
      }
      say(`${scenario.name}: round ${round + 1} of ${rounds}, ${name}`);
      try {
        figures.set(name, await measure(setting));
      } catch (error) {
        missing.set(name, `failed: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    if (2 * performance.now() - start > until) break;
  }
  const verdicts = scenario.wanted.map((wanted) => verdictOf(wanted, measured));
  const noisy = scenario.wanted.some(({ noise }, index) => noise && verdicts[index]!.met === false);
  return {
    scenario: scenario.name,
    title: scenario.title,
    rounds: measured.length,
    rows: scenario.contenders.map(({ name }) => rowOf(name, measured, missing.get(name))),
    verdicts: verdicts.map((verdict) => ({ ...verdict, noisy })),
  };
}

function rowOf(
  contender: string,
  rounds: readonly ReadonlyMap<string, Figures>[],
  missing: string | undefined,
): Row {
  const all: readonly Figures[] = rounds.flatMap((round) => {
    const figures = round.get(contender);
    return figures ? [figures] : [];
  });
  const keys = new Set(all.flatMap((figures) => Object.keys(figures)));
  const figures = Object.fromEntries(
    [...keys].map((key) => [key, median(all.flatMap((each) => each[key] ?? []))]),
  );
  return { contender, figures, ...(missing !== undefined && { missing }) };
}

function verdictOf(wanted: Wanted, rounds: readonly ReadonlyMap<string, Figures>[]): Omit<Verdict, "noisy"> {
  const { what, of, atLeast, atMost, unit } = wanted;
  const found = rounds.flatMap((round) => of((contender) => round.get(contender)) ?? []);
  const figures = found.filter((figure) => Number.isFinite(figure));
  const figure = figures.length > 0 ? median(figures) : null;
  return {
    what,
    figure,
    range: figure === null ? null : [Math.min(...figures), Math.max(...figures)],
    ...(atLeast !== undefined && { atLeast }),
    ...(atMost !== undefined && { atMost }),
    ...(unit !== undefined && { unit }),
    met:
      figure === null
        ? null
        : figure >= (atLeast ?? Number.NEGATIVE_INFINITY) && figure <= (atMost ?? Number.POSITIVE_INFINITY),
  };
}

/** One contender's figure over another's; undefined unless both were measured. */
export function ratio(key: string, of: string, to: string): Wanted["of"] {
  return (round) => {
    const [a, b] = [round(of)?.[key], round(to)?.[key]];
    return a === undefined || b === undefined ? undefined : a / b;
  };
}

/** One contender's figure over the highest of some others'. */
export function ratioToBest(key: string, of: string, others: readonly string[]): Wanted["of"] {
  return (round) => {
    const a = round(of)?.[key];
    const theirs = others.flatMap((name) => round(name)?.[key] ?? []);
    return a === undefined || theirs.length === 0 ? undefined : a / Math.max(...theirs);
  };
}
