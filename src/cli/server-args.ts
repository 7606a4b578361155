import { Http } from "../client/http.ts";
import { messageOf } from "../errors.ts";
import { usageError } from "./failure.ts";

/** The flags of every command that asks a server. */
export const serverArgs = {
  url: {
    type: "string",
    valueHint: "url",
    description: "The server; RUNLOG_URL, else http://127.0.0.1:8000",
  },
  token: { type: "string", valueHint: "token", description: "Its token; better set RUNLOG_TOKEN" },
} as const;

export interface ServerFlags {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
}

/** The server that flags and environment name. */
export function httpFor({ url, token }: ServerFlags): Http {
  try {
    return new Http({
      url: url || process.env.RUNLOG_URL || "http://127.0.0.1:8000",
      token: token || process.env.RUNLOG_TOKEN || undefined,
    });
  } catch (error) {
    throw usageError(messageOf(error));
  }
}

/** A command to go on with, as a person would have to type it. */
export function sayCommand(command: string, { url }: ServerFlags): string {
  return `npx runlog ${command}${url ? ` --url ${url}` : ""}`;
}
