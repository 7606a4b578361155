// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a terminal is about
const PIECES = /(\x1b\[([\d;]*)([A-Za-z]))|(.)/gsu;

/** A terminal of so many columns and rows, as far as the command line makes use of one. */
export class Screen {
  readonly #columns: number;
  readonly #rows: number;
  #lines: string[][] = [[]];
  /** The first line that is on the screen; those above have scrolled away. */
  #top = 0;
  #row = 0;
  #column = 0;

  constructor(columns = 80, rows = 24) {
    this.#columns = columns;
    this.#rows = rows;
  }

  write(text: string): this {
    for (const [, sequence, parameter = "", final, char] of text.matchAll(PIECES)) {
      if (sequence === undefined) this.#put(char!);
      else this.#control(final!, parameter === "" ? undefined : Number.parseInt(parameter, 10));
    }
    return this;
  }

  /** All lines, also those that have scrolled away, without the space at their ends and empty lines at the bottom. */
  get text(): string {
    const lines = this.#lines.map((line) =>
      Array.from(line, (char) => char ?? " ")
        .join("")
        .trimEnd(),
    );
    return lines.join("\n").trimEnd();
  }

  #put(char: string): void {
    if (char === "\r") this.#column = 0;
    else if (char === "\n") this.#lineFeed();
    else {
      // The last column is left with the next character only.
      if (this.#column === this.#columns) this.#lineFeed();
      this.#lines[this.#row]![this.#column] = char;
      this.#column++;
    }
  }

  #lineFeed(): void {
    // As the driver of a terminal has it: a line end is a carriage return, too.
    this.#column = 0;
    this.#row++;
    this.#lines[this.#row] ??= [];
    this.#top = Math.max(this.#top, this.#row - this.#rows + 1);
  }

  #control(final: string, parameter: number | undefined): void {
    if (final === "A") {
      this.#row = Math.max(this.#top, this.#row - (parameter ?? 1));
      this.#column = Math.min(this.#column, this.#columns - 1);
    } else if (final === "G") this.#column = (parameter ?? 1) - 1;
    else if (final === "K" && parameter === 2) this.#lines[this.#row] = [];
    else if (final === "J" && parameter === undefined) {
      // A cursor that has filled the last column stands on it still.
      const from = Math.min(this.#column, this.#columns - 1);
      this.#lines[this.#row]!.length = Math.min(from, this.#lines[this.#row]!.length);
      this.#lines.length = this.#row + 1;
    } else if (final !== "m") throw new Error(`This screen does not know ${parameter ?? ""}${final}`);
  }
}
