import type { AgentEvent } from "../../src/events.ts";
import { seeded } from "./seed.ts";

const words = [
  "one ",
  "zwei ",
  "três ",
  "четыре ",
  "五つ",
  "🧮",
  "👩‍👧",
  "ﷺ",
  '"quoted" ',
  "\\n\n",
  "\u2028",
  "\r\n",
];

/** What a producer says as its event `index`: the same for the same seed, so it can be checked without being kept. */
export function scripted(seed: number, index: number): AgentEvent {
  const random = seeded(seed * 1_000_003 + index);
  const text = scriptedText(seed, index);
  switch (random.between(0, 3)) {
    case 0:
      return { type: "custom", name: "app.item", data: { index, text } };
    case 1:
      return { type: "progress", iteration: index, totalTokens: random.between(0, 9_999), totalCost: null };
    default:
      return { type: "text.delta", id: "said", text };
  }
}

/** A few words, some of them hard to split. */
export function scriptedText(seed: number, index: number): string {
  const random = seeded(seed * 7_919 + index);
  let text = `${index}:`;
  for (let left = random.between(1, 6); left > 0; left--) text += words[random.between(0, words.length - 1)];
  return text;
}
