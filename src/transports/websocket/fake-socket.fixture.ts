import type { Socket, Wire } from "./connection.ts";

/** A socket whose other side does as it is told. */
export class FakeSocket implements Socket, Wire {
  readonly log: string[] = [];
  /** What was sent, in full. */
  readonly texts: string[] = [];
  readyState = 1;
  writable = true;
  writableLength = 0;
  /** Whether the system takes what is sent at once. */
  taking = true;
  #unsent: { readonly size: number; readonly sent: () => void }[] = [];
  readonly #listeners = new Map<string, ((...args: never[]) => void)[]>();

  on(name: string, listener: (...args: never[]) => void): void {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }
  emit(name: string, ...args: unknown[]): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(...(args as never[]));
  }
  says(text: string): void {
    this.emit("message", Buffer.from(text), false);
  }
  write(bytes: Buffer, sent = () => {}): void {
    const text = bytes.subarray(bytes[1]! < 126 ? 2 : bytes[1] === 126 ? 4 : 10).toString();
    this.texts.push(text);
    this.log.push(`send ${text.length > 20 ? text.length : text}`);
    if (this.taking) {
      queueMicrotask(sent);
      return;
    }
    this.writableLength += text.length;
    this.#unsent.push({ size: text.length, sent });
  }
  /** The other side reads the first text that is unsent. */
  drain(): void {
    const { size, sent } = this.#unsent.shift()!;
    this.writableLength -= size;
    sent();
  }
  get unsent(): number {
    return this.#unsent.length;
  }
  ping = () => void this.log.push("ping");
  pause = () => void this.log.push("pause");
  resume = () => void this.log.push("resume");
  close = (code: number, reason: string) => {
    this.readyState = 2;
    this.log.push(`close ${code} ${reason}`);
  };
  terminate = () => {
    this.log.push("terminate");
    this.emit("close");
  };
}
