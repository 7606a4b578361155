/**
 * Works out arithmetic: numbers, `+ - * / ^`, parentheses, and `%`: `17% of 2340`, `200 + 10%` is 220.
 * Throws `SyntaxError` for what is no arithmetic, `RangeError` for a result that is no number.
 */
export function calculate(expression: string): number {
  if (expression.length > MAX_LENGTH)
    throw new RangeError(`The expression is longer than ${MAX_LENGTH} characters`);
  const parser = new Parser(expression);
  const value = parser.sum();
  parser.end();
  if (!Number.isFinite(value)) throw new RangeError(`The result of "${expression}" is not a number`);
  // 0.1 + 0.2: the digits beyond what a double holds are noise.
  return Number(value.toPrecision(12));
}

const MAX_LENGTH = 1_000;

class Parser {
  readonly #tokens: string[];
  #at = 0;

  constructor(expression: string) {
    this.#tokens = expression.match(/\d+(?:\.\d+)?(?:e[+-]?\d+)?|\.\d+|\bof\b|\*\*|\S/gi) ?? [];
  }

  end(): void {
    const token = this.#tokens[this.#at];
    if (token !== undefined) throw new SyntaxError(`Cannot calculate: unexpected "${token}"`);
  }

  sum(): number {
    let value = this.#product();
    for (let sign = this.#take("+", "-"); sign; sign = this.#take("+", "-")) {
      const before = this.#at;
      const other = this.#product();
      // A percentage that is added is one of what it is added to.
      const share = this.#tokens[this.#at - 1] === "%" && this.#at - before === 2;
      const amount = share ? value * other : other;
      value = sign === "+" ? value + amount : value - amount;
    }
    return value;
  }

  #product(): number {
    let value = this.#signed();
    for (let sign = this.#take("*", "/", "of"); sign; sign = this.#take("*", "/", "of")) {
      const other = this.#signed();
      value = sign === "/" ? value / other : value * other;
    }
    return value;
  }

  #signed(): number {
    const sign = this.#take("-", "+");
    if (sign) return sign === "-" ? -this.#signed() : this.#signed();
    const value = this.#atom();
    // To the right first, and stronger than a sign: -2^2 is -4, 2^3^2 is 2^9.
    return this.#take("^", "**") ? value ** this.#signed() : value;
  }

  #atom(): number {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new SyntaxError("Cannot calculate: the expression ends too early");
    let value: number;
    if (token === "(") {
      value = this.sum();
      if (!this.#take(")")) throw new SyntaxError('Cannot calculate: a ")" is missing');
    } else {
      value = Number(token);
      if (Number.isNaN(value)) throw new SyntaxError(`Cannot calculate: unexpected "${token}"`);
    }
    while (this.#take("%")) value /= 100;
    return value;
  }

  #take(...signs: string[]): string | undefined {
    const token = this.#tokens[this.#at]?.toLowerCase();
    if (token === undefined || !signs.includes(token)) return undefined;
    this.#at += 1;
    return token;
  }
}
