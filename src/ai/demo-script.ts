import type { Json } from "../events.ts";

/** What the demo model sees of a conversation. */
export interface DemoScene {
  /** The last thing a person said. */
  readonly question: string;
  /** What the tools answered since. */
  readonly answers: readonly DemoAnswer[];
  /** Names of the tools there are. */
  readonly tools: ReadonlySet<string>;
}

export interface DemoAnswer {
  readonly name: string;
  readonly input: Record<string, Json>;
  readonly output: Json;
  /** Set instead of a true output if the call failed. */
  readonly failed: boolean;
}

/** What the demo model does next: thinks, then speaks or calls tools. */
export interface DemoTurn {
  readonly thought: string;
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly input: Record<string, Json> }[];
}

/** The whole mind of the demo model. */
export function demoTurn(scene: DemoScene): DemoTurn {
  if (scene.answers.length > 0) return { thought: "", text: sayAnswers(scene.answers), calls: [] };
  const calls = callsFor(scene.question).filter((call) => scene.tools.has(call.name));
  if (calls.length === 0)
    return { thought: "No tool helps here, so I will just answer.", text: sayHello(scene), calls };
  const names = calls.map((call) => call.name);
  const thought =
    calls.length === 1
      ? `This is a question for the tool ${names[0]}: I will ask it.`
      : `There are ${calls.length} things to find out. I will ask ${names.join(" and ")} at the same time.`;
  return { thought, text: "", calls };
}

function callsFor(question: string): DemoTurn["calls"][number][] {
  const calls: DemoTurn["calls"][number][] = [];
  const email = /\be-?mail\b/i.test(question);
  if (email) calls.push({ name: "send_email", input: emailOf(question) });
  const expression = expressionOf(question);
  if (expression) calls.push({ name: "calculator", input: { expression } });
  const files = question.match(/[\w-]+(?:\/[\w-]+)*\.(?:md|txt|csv|json)\b/gi) ?? [];
  calls.push(...[...new Set(files)].map((path) => ({ name: "read_file", input: { path } })));
  if (files.length === 0 && /\b(files?|folders?|director(y|ies))\b/i.test(question)) {
    calls.push({ name: "list_files", input: {} });
  }
  if (!email && /\b(time|date|today|clock|o'clock)\b/i.test(question)) {
    const place = Object.keys(timeZones).find((name) => question.toLowerCase().includes(name));
    calls.push({ name: "clock", input: place ? { timeZone: timeZones[place]! } : {} });
  }
  return calls;
}

const timeZones: Record<string, string> = {
  tokyo: "Asia/Tokyo",
  london: "Europe/London",
  paris: "Europe/Paris",
  berlin: "Europe/Berlin",
  oslo: "Europe/Oslo",
  "new york": "America/New_York",
  sydney: "Australia/Sydney",
};

function expressionOf(question: string): string | undefined {
  const spoken = question
    .replace(/\bpercent\b/gi, "%")
    .replace(/\bplus\b/gi, "+")
    .replace(/\bminus\b/gi, "-")
    .replace(/\b(times|multiplied by)\b|×/gi, "*")
    .replace(/\bdivided by\b|÷/gi, "/")
    .replace(/\bto the power of\b/gi, "^")
    .replace(/(\d),(?=\d{3}\b)/g, "$1");
  const found = spoken.match(/[(-]?[\d(](?:[\d\s.+\-*/^%()]|\bof\b)*[\d)%]/g) ?? [];
  // A number alone is no question, and 2026-11-21 is a date.
  return found
    .map((each) => each.trim())
    .find((each) => /\d\s*(?:[+*/^-]|%\s*of)\s*[\d(-]/.test(each) && !/^\d{4}-\d{2}-\d{2}$/.test(each));
}

function emailOf(question: string): Record<string, Json> {
  const to = /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/.exec(question)?.[0] ?? "ada@example.com";
  const about = /\b(?:about|saying|that)\s+(.+?)[.?!]*$/i.exec(question)?.[1] ?? "Hello from the demo";
  return { to, subject: about.slice(0, 60), body: `Hello,\n\n${about}.\n\nBest wishes` };
}

const signature = "_I am the demo model: a script that needs no key and no network, not a language model._";

function sayAnswers(answers: readonly DemoAnswer[]): string {
  return [...answers.map(sayAnswer), signature].join("\n\n");
}

function sayAnswer({ name, input, output, failed }: DemoAnswer): string {
  if (failed) {
    const why = typeof output === "string" ? output : JSON.stringify(output);
    return name === "send_email"
      ? `I did **not** send the email: ${why}.`
      : `The tool \`${name}\` failed: ${why}.`;
  }
  const fields = isObject(output) ? output : {};
  switch (name) {
    case "calculator":
      return `${input.expression} is **${fields.result}**.`;
    case "clock":
      return `It is **${fields.time}** on ${fields.date} (${fields.timeZone}).`;
    case "list_files":
      return sayFiles(fields);
    case "read_file":
      return `Here is \`${fields.path}\`:\n\n${fence(String(fields.text))}`;
    case "send_email":
      return `The email to **${input.to}** is on its way, or would be: ${fields.note}.`;
    default:
      return `The tool \`${name}\` says:\n\n${fence(JSON.stringify(output, null, 2))}`;
  }
}

function sayFiles(fields: { readonly [key: string]: Json }): string {
  const files = Array.isArray(fields.files)
    ? (fields.files as readonly { path: string; bytes: number }[])
    : [];
  if (files.length === 0) return "The folder is empty.";
  const lines = files.map((file) => `- \`${file.path}\` (${file.bytes} bytes)`);
  const count = files.length === 1 ? "is one file" : `are ${files.length} files`;
  return [`There ${count}:`, "", ...lines, "", `Ask me to read one, as in "read ${files[0]!.path}".`].join(
    "\n",
  );
}

function fence(text: string): string {
  const ticks = text.includes("```") ? "~~~~" : "```";
  return `${ticks}\n${text.trimEnd()}\n${ticks}`;
}

function sayHello({ question, tools }: DemoScene): string {
  const upTo = Number(/\bcount to (\d+)/i.exec(question)?.[1] ?? 0);
  if (upTo > 0) {
    const numbers = Array.from({ length: Math.min(upTo, 10_000) }, (_, index) => index + 1);
    return `${numbers.join(", ")}.\n\n${signature}`;
  }
  const tries = [
    ["calculator", '"What is 17% of 2340?"'],
    ["clock", '"What time is it in Tokyo?"'],
    ["list_files", '"Which files are there?", then "Read menu.md"'],
    ["send_email", '"Email ada@example.com about lunch", which waits for your approval'],
  ].flatMap(([name, example]) => (tools.has(name!) ? [`- ${example}`] : []));
  return [
    "## Hello!",
    "",
    "I am the **demo model**. I need no key and no network: what I say is a script, so I answer at once, always the " +
      "same, and know very little. What you see around me is real, though: every word and every tool call went " +
      "through the log before it came to you.",
    "",
    "Things to try:",
    "",
    ...tries,
    '- "Count to 200", and close the tab while I do: I go on, and you will find it all when you are back',
  ].join("\n");
}

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
