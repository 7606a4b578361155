import type { Column, Result, Scenario, Verdict } from "./scenario.ts";

/** A table in Markdown. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

/** What was measured of each contender, and what it comes to. */
export function resultTable({ columns }: Scenario, { title, rounds, rows, verdicts }: Result): string {
  const figures = table(
    ["", ...columns.map(({ head }) => head)],
    rows.map(({ contender, figures, missing }) => [
      contender,
      ...(missing === undefined
        ? columns.map(({ key, show }) => (figures[key] === undefined ? "" : show(figures[key])))
        : [missing.replaceAll("|", "\\|"), ...columns.slice(1).map(() => "")]),
    ]),
  );
  return `### ${title}\n\nMedians of ${rounds} ${rounds === 1 ? "round" : "rounds"}.\n\n${figures}\n\n${verdictTable(verdicts)}`;
}

/** What should hold, and whether it does. */
export function verdictTable(verdicts: readonly Verdict[]): string {
  return table(
    ["what should hold", "wanted", "measured", "lowest to highest", ""],
    verdicts.map(({ what, figure, range, atLeast, atMost, unit = "", met, noisy }) => [
      what,
      [
        ...(atLeast === undefined ? [] : [`at least ${atLeast}${unit}`]),
        ...(atMost === undefined ? [] : [`at most ${atMost}${unit}`]),
      ].join(", "),
      figure === null ? "not measured" : `${short(figure)}${unit}`,
      range === null ? "" : `${short(range[0])} to ${short(range[1])}${unit}`,
      met === null ? "" : `${met ? "met" : "**missed**"}${noisy ? ", but noisy" : ""}`,
    ]),
  );
}

/** A figure with as many digits as say something. */
export function short(figure: number): string {
  const size = Math.abs(figure);
  if (size >= 1_000_000) return `${(figure / 1_000_000).toFixed(2)}M`;
  if (size >= 10_000) return `${(figure / 1_000).toFixed(1)}k`;
  if (size >= 100 || Number.isInteger(figure)) return figure.toFixed(0);
  return figure.toFixed(size >= 10 ? 1 : 2);
}

export function column(key: string, head: string, unit = ""): Column {
  return { key, head, show: (figure) => `${short(figure)}${unit}` };
}
