import { stdout } from "node:process";

/** Lines on a terminal that are drawn anew in their place. Where there is no terminal, nothing is drawn. */
export class Screen {
  #drawn = 0;

  draw(lines: readonly string[]): void {
    if (!stdout.isTTY || process.env.TERM === "dumb") return;
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : "";
    const shown = lines.slice(0, stdout.rows - 1);
    stdout.write(up + shown.map((line) => `\x1b[2K${line.slice(0, stdout.columns - 1)}\n`).join(""));
    this.#drawn = shown.length;
  }
}

/** `part` of `whole` as a bar. */
export function bar(part: number, whole: number, width = 24): string {
  const full = whole > 0 ? Math.min(width, Math.round((part / whole) * width)) : 0;
  return "█".repeat(full) + "░".repeat(width - full);
}

/** Columns as wide as what stands in them; numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => String(row[column]).length)),
  );
  const line = (cells: readonly (string | number)[]) =>
    cells
      .map((cell, column) =>
        typeof cell === "number" ? String(cell).padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join("  ")
      .trimEnd();
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
