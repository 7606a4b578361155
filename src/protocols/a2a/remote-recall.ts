import type { Entry, EventOf, Message, StreamEvent, Usage } from "../../events.ts";
import { addUsage } from "../../summary.ts";
import { RemoteArtifacts } from "./remote-artifacts.ts";
import type { RemoteTask } from "./remote-turn.ts";
import type { Spent } from "./remote-usage.ts";

/** Where a run of a remote agent stands, by its log: all that is needed to go on. */
export class RemoteRecall {
  /** The last step that was started, and whether it was finished. */
  step = 0;
  open = false;
  /** How often the last step was started. */
  tries = 0;
  task: RemoteTask | undefined;
  /** Of the last update of the task that the log has, where its server numbers them. */
  seq = 0;
  /** Set while the task waits for a person, or for an answer to be sent. */
  asked = false;
  artifacts = new RemoteArtifacts();
  readonly statuses = new Set<string>();
  readonly answered = new Set<string>();
  readonly #questions = new Map<string, EventOf<"approval.requested">>();
  readonly #answers = new Map<string, EventOf<"input.approval">>();
  readonly #people = new Map<string, Message>();
  /** The messages of people that the remote was sent. */
  readonly #sent = new Set<string>();
  #usage: Usage | undefined;
  #cost: number | null = 0;
  #stood = { artifacts: new RemoteArtifacts(), task: undefined as RemoteTask | undefined };

  constructor(entries: readonly Entry[]) {
    for (const { event } of entries) this.#apply(event);
    this.artifacts.recalled();
  }

  /** What people said that the remote was not sent, oldest first. */
  get unsent(): readonly Message[] {
    return [...this.#people.values()].filter(({ id }) => !this.#sent.has(id));
  }

  /** The ids of what people said. */
  get heard(): Set<string> {
    return new Set(this.#people.keys());
  }

  /** The questions of the task that a person has answered since the remote spoke last, with the answers. */
  get answers(): readonly { question: EventOf<"approval.requested">; answer: EventOf<"input.approval"> }[] {
    return [...this.#questions.values()].flatMap((question) => {
      const answer = this.#answers.get(question.approvalId);
      return answer ? [{ question, answer }] : [];
    });
  }

  /** Whether a person has still to answer. */
  get waiting(): boolean {
    return this.#questions.size > this.answers.length;
  }

  /** What the steps of this task have spent. */
  get spent(): Spent {
    return { usage: this.#usage, cost: this.#cost };
  }

  #apply(event: StreamEvent): void {
    switch (event.type) {
      case "step.started":
        this.tries = event.step === this.step ? this.tries + 1 : 1;
        this.step = event.step;
        this.open = true;
        return;
      case "step.finished":
        this.open = false;
        this.asked = event.finishReason === "tool-calls";
        this.#usage = addUsage(this.#usage, event.usage ?? undefined);
        this.#cost = this.#cost === null || event.cost === null ? null : this.#cost + event.cost;
        this.#stood = { artifacts: this.artifacts.clone(), task: this.task };
        return;
      case "run.resumed":
        // What the open step had said is withdrawn; what it had sent is not.
        if (this.open) {
          const same = this.#stood.task?.taskId === this.task?.taskId;
          this.artifacts = same ? this.#stood.artifacts.clone() : new RemoteArtifacts();
          this.statuses.clear();
        }
        return;
      case "custom":
        this.#note(event);
        return;
      case "approval.requested":
        if (!this.#questions.has(event.approvalId)) this.#answers.delete(event.approvalId);
        this.#questions.set(event.approvalId, event);
        return;
      case "input.approval":
        this.#answers.set(event.approvalId, event);
        this.answered.add(event.approvalId);
        return;
      case "tool.returned":
      case "tool.failed":
        // Its answer has reached the remote.
        for (const [id, { callId }] of this.#questions)
          if (callId === event.callId) this.#questions.delete(id);
        return;
      case "input.message":
        this.#people.set(event.message.id, event.message);
        return;
      default:
        this.artifacts.recall(event);
    }
  }

  #note({ name, data }: EventOf<"custom">): void {
    const { taskId, contextId, seq, messageId, text } = Object(data) as Record<string, unknown>;
    if (name === "a2a.task" && typeof taskId === "string" && typeof contextId === "string") {
      if (this.task?.taskId !== taskId) {
        this.artifacts = new RemoteArtifacts();
        this.#usage = undefined;
        this.#cost = 0;
        this.seq = 0;
      }
      this.task = { taskId, contextId };
      if (typeof seq === "number") this.seq = seq;
    } else if (name === "a2a.status") this.statuses.add(String(messageId || text));
    else if (name === "a2a.message" && typeof messageId === "string") this.#sent.add(messageId);
  }
}
