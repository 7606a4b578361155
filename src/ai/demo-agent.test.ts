import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestRun } from "../testing/run-context.ts";
import { answers, calls, ends, scriptedModel } from "../testing/scripted-model.ts";
import { demoAgent } from "./demo-agent.ts";
import { demoModel } from "./demo-model.ts";

const model = demoModel({ firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY });

async function ask(input: string, folder?: string): Promise<TestRun> {
  const run = new TestRun(demoAgent({ model, ...(folder !== undefined && { folder }) }), { input });
  await run.go();
  return run;
}

describe("the demo agent", () => {
  test("answers with what its tools really return", async () => {
    const run = await ask("What is 17% of 2340, and what time is it in Tokyo?");
    expect(run.of("tool.returned")).toMatchObject([
      { name: "calculator", output: { result: 397.8 } },
      { name: "clock", output: { timeZone: "Asia/Tokyo" } },
    ]);
    const { time } = run.of("tool.returned")[1]!.output as { time: string };
    expect(run.text).toContain("17% of 2340 is **397.8**.");
    expect(run.text).toContain(`It is **${time}**`);
    expect(run.text).toContain("I am the demo model");
    expect(run.of("reasoning.delta").length).toBeGreaterThan(0);
    expect(run.of("step.finished").map((event) => event.cost)).toEqual([0, 0]);
  });

  test("lists and reads the files of examples/demo", async () => {
    expect((await ask("Which files are there?")).text).toContain("- `menu.md`");
    expect((await ask("Read menu.md")).text).toContain("Soup of the log");
  });

  test("[F20] asks before it sends an email, and does what it is told", async () => {
    const run = new TestRun(demoAgent({ model }), { input: "Email ada@example.com about lunch" });
    expect(await run.go()).toEqual({ status: "waiting" });
    const [asked] = run.of("approval.requested");
    expect(asked).toMatchObject({ name: "send_email", input: { to: "ada@example.com", subject: "lunch" } });
    run.answer(asked!.approvalId, false, "not today");
    expect(await run.go()).toEqual({ status: "finished" });
    expect(run.text).toContain("I did **not** send the email: not today.");
  });

  test("[F9] tells of a tool that fails", async () => {
    const run = await ask("Read nothing.md");
    expect(run.of("tool.failed")).toMatchObject([
      { code: "tool_error", message: 'Cannot read "nothing.md": there is no such file' },
    ]);
    expect(run.text).toContain("The tool `read_file` failed");
  });
});

describe("its files", () => {
  let folder: string;
  let outside: string;

  beforeAll(async () => {
    outside = await mkdtemp(join(tmpdir(), "runlog-demo-"));
    folder = join(outside, "inside");
    await mkdir(join(folder, "deep"), { recursive: true });
    await writeFile(join(outside, "secret.txt"), "secret");
    await writeFile(join(folder, "a.txt"), "hello");
    await writeFile(join(folder, "deep", "b.txt"), "world");
    await writeFile(join(folder, ".env"), "KEY=1");
    await writeFile(join(folder, "large.txt"), "x".repeat(65 * 1024));
    await writeFile(join(folder, "image.txt"), Buffer.from([0x89, 0, 1]));
    await symlink(join(outside, "secret.txt"), join(folder, "link.txt"));
    await symlink(outside, join(folder, "up"));
  });

  afterAll(() => rm(outside, { recursive: true }));

  async function read(path: string): Promise<TestRun> {
    const script = scriptedModel([
      [...calls("c", "read_file", { path }), ...ends("tool-calls")],
      answers("Done."),
    ]);
    const run = new TestRun(demoAgent({ folder, model: script }));
    await run.go();
    return run;
  }

  test("are listed with their folders; links and hidden files are not", async () => {
    const run = await ask("Which files are there?", folder);
    expect(run.of("tool.returned")[0]?.output).toEqual({
      files: [
        { path: "a.txt", bytes: 5 },
        { path: "deep/b.txt", bytes: 5 },
        { path: "image.txt", bytes: 3 },
        { path: "large.txt", bytes: 66_560 },
      ],
    });
  });

  test.each(["a.txt", "deep/b.txt", "./a.txt"])("%s is read", async (path) => {
    const run = await read(path);
    expect(run.of("tool.returned")).toMatchObject([
      { output: { path, text: path.includes("b") ? "world" : "hello" } },
    ]);
  });

  test.each([
    ["../secret.txt", "inside the folder"],
    ["deep/../../secret.txt", "inside the folder"],
    ["..\\secret.txt", "inside the folder"],
    ["/etc/passwd", "inside the folder"],
    ["link.txt", "inside the folder"],
    ["up/secret.txt", "inside the folder"],
    ["a.txt\0", "inside the folder"],
    ["", "inside the folder"],
    ["deep", "it is not a file"],
    ["large.txt", "more than 65536"],
    ["image.txt", "it is not text"],
  ])("%j is not read", async (path, why) => {
    const run = await read(path);
    expect(run.of("tool.failed")).toMatchObject([
      { code: "tool_error", message: expect.stringContaining(why) },
    ]);
    expect(run.of("tool.returned")).toEqual([]);
  });
});
