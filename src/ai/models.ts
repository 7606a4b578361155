import type { LanguageModel } from "ai";
import { RunError } from "../errors.ts";
import { loadPackage } from "../load-package.ts";
import { type DemoModelOptions, demoModel } from "./demo-model.ts";

/** A model of the AI SDK, of any provider. */
export type ProviderModel = Exclude<LanguageModel, string>;

/** Any server that speaks OpenAI's chat completions. */
export interface CompatibleModel {
  /** Up to and with the version: `http://127.0.0.1:8000/v1`. */
  readonly baseURL: string;
  /** The model's name on that server. */
  readonly name: string;
  readonly apiKey?: string;
  readonly headers?: Record<string, string>;
}

/** A name such as `openai/gpt-5.1`, a model of the AI SDK, or one on a compatible server. */
export type ModelChoice = string | ProviderModel | CompatibleModel;

export interface ModelOptions {
  /** Asks there instead of the provider's own place. A name without a known prefix is then a model on that server. */
  readonly baseURL?: string | undefined;
  /** @default the variable of the provider */
  readonly apiKey?: string | undefined;
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** For `demo`. */
  readonly demo?: DemoModelOptions | undefined;
}

export interface ResolvedModel {
  readonly model: ProviderModel;
  /** As events name it: `openai/gpt-5.1`. */
  readonly id: string;
  /** Who is paid: `openai`, `anthropic`, ... */
  readonly provider: string;
  /** Where the model is asked, if that is a compatible server. */
  readonly baseURL?: string;
}

interface Provider {
  /** The variables that may hold the key, best first; none for a provider without keys. */
  readonly keys: readonly string[];
  readonly package?: string;
  open(name: string, settings: Settings): Promise<ProviderModel>;
}

interface Settings {
  readonly apiKey: string;
  readonly baseURL: string | undefined;
}

const given = (settings: Settings) => ({
  apiKey: settings.apiKey,
  ...(settings.baseURL !== undefined && { baseURL: settings.baseURL }),
});

const providers: Record<string, Provider> = {
  openai: {
    keys: ["OPENAI_API_KEY"],
    async open(name, settings) {
      const { createOpenAI } = await loadPackage("@ai-sdk/openai", () => import("@ai-sdk/openai"));
      return createOpenAI(given(settings)).responses(name);
    },
  },
  "openai-chat": {
    keys: ["OPENAI_API_KEY"],
    async open(name, settings) {
      const { createOpenAI } = await loadPackage("@ai-sdk/openai", () => import("@ai-sdk/openai"));
      return createOpenAI(given(settings)).chat(name);
    },
  },
  anthropic: {
    keys: ["ANTHROPIC_API_KEY"],
    async open(name, settings) {
      const { createAnthropic } = await loadPackage("@ai-sdk/anthropic", () => import("@ai-sdk/anthropic"));
      return createAnthropic(given(settings))(name);
    },
  },
  google: {
    keys: ["GOOGLE_GENERATIVE_AI_API_KEY", "GEMINI_API_KEY"],
    async open(name, settings) {
      const { createGoogleGenerativeAI } = await loadPackage(
        "@ai-sdk/google",
        () => import("@ai-sdk/google"),
      );
      return createGoogleGenerativeAI(given(settings))(name);
    },
  },
  ollama: {
    keys: [],
    open: (name, settings) => openCompatible({ name, baseURL: settings.baseURL! }, "ollama"),
  },
};

const known = ["demo", ...Object.keys(providers).map((prefix) => `${prefix}/...`)].join(", ");

/**
 * Checks a choice without loading anything: throws `model_not_found` for a name that is none, `missing_key`
 * where a provider's key is not set.
 */
export function checkModel(choice: ModelChoice, options: ModelOptions = {}): void {
  if (typeof choice === "string") parse(choice, options);
}

/**
 * The model a name stands for. Throws what `checkModel` throws, and `missing_package` where the provider's
 * package is not installed.
 *
 * | name | is asked at | key |
 * |---|---|---|
 * | `demo` | nowhere: a script that needs no key and no network | |
 * | `openai/...` | OpenAI's responses, or `OPENAI_BASE_URL` | `OPENAI_API_KEY` |
 * | `openai-chat/...` | OpenAI's chat completions, or `OPENAI_BASE_URL` | `OPENAI_API_KEY` |
 * | `anthropic/...` | Anthropic, or `ANTHROPIC_BASE_URL` | `ANTHROPIC_API_KEY` |
 * | `google/...` | Google | `GOOGLE_GENERATIVE_AI_API_KEY` or `GEMINI_API_KEY` |
 * | `ollama/...` | `OLLAMA_HOST`, or port 11434 of this machine | |
 * | any other, with `baseURL` | that server | `apiKey`, if it wants one |
 */
export async function resolveModel(choice: ModelChoice, options: ModelOptions = {}): Promise<ResolvedModel> {
  if (typeof choice !== "string") return resolveGiven(choice);
  const parsed = parse(choice, options);
  if (parsed === "demo") return { model: demoModel(options.demo), id: "demo", provider: "demo" };
  if ("baseURL" in parsed) return resolveGiven(parsed);
  const { prefix, name, settings } = parsed;
  const model = await providers[prefix]!.open(name, settings);
  return { model, id: choice, provider: prefix === "openai-chat" ? "openai" : prefix };
}

async function resolveGiven(choice: ProviderModel | CompatibleModel): Promise<ResolvedModel> {
  if ("doStream" in choice) {
    // The AI SDK's names are `openai.responses`, `anthropic.messages`, ...
    const provider = choice.provider.split(".")[0]!;
    const id = provider === choice.modelId ? provider : `${provider}/${choice.modelId}`;
    return { model: choice, id, provider };
  }
  const model = await openCompatible(choice, "openai-compatible");
  return { model, id: choice.name, provider: "openai-compatible", baseURL: choice.baseURL };
}

/** The only provider whose package is always there. */
async function openCompatible(choice: CompatibleModel, provider: string): Promise<ProviderModel> {
  const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
  const { baseURL, name, apiKey, headers } = choice;
  return createOpenAICompatible({
    name: provider,
    baseURL,
    includeUsage: true,
    ...(apiKey !== undefined && { apiKey }),
    ...(headers && { headers }),
  })(name);
}

type Parsed = "demo" | CompatibleModel | { prefix: string; name: string; settings: Settings };

function parse(choice: string, options: ModelOptions): Parsed {
  const { baseURL, apiKey, env = process.env } = options;
  if (choice === "demo") return "demo";
  const [, prefix = "", name = ""] = /^([^/]+)\/(.+)$/.exec(choice) ?? [];
  const provider = Object.hasOwn(providers, prefix) ? providers[prefix] : undefined;
  if (!provider) {
    if (baseURL !== undefined) return { baseURL, name: choice, ...(apiKey !== undefined && { apiKey }) };
    throw new RunError("model_not_found", `Cannot use the model "${choice}": known are ${known}`);
  }
  const key = apiKey ?? provider.keys.map((variable) => env[variable]).find((value) => value);
  if (key === undefined && provider.keys.length > 0) {
    const [first, ...others] = provider.keys;
    const or = others.map((other) => ` (or ${other})`).join("");
    throw new RunError(
      "missing_key",
      `Cannot use the model "${choice}": set ${first}${or} to the provider's key`,
    );
  }
  return { prefix, name, settings: { apiKey: key ?? "", baseURL: baseURL ?? baseOf(prefix, env) } };
}

function baseOf(prefix: string, env: Readonly<Record<string, string | undefined>>): string | undefined {
  switch (prefix) {
    case "openai":
    case "openai-chat":
      return env.OPENAI_BASE_URL || undefined;
    case "anthropic":
      return env.ANTHROPIC_BASE_URL || undefined;
    case "ollama":
      return ollamaURL(env.OLLAMA_HOST);
    default:
      return undefined;
  }
}

/** `OLLAMA_HOST` is what its server listens on: without scheme or port, or on all addresses. */
function ollamaURL(host = ""): string {
  const url = new URL(/^https?:/.test(host) ? host : `http://${host || "127.0.0.1"}`);
  if (url.hostname === "0.0.0.0") url.hostname = "127.0.0.1";
  if (url.port === "" && !/^https?:/.test(host)) url.port = "11434";
  return `${url.origin}${url.pathname.replace(/\/$/, "")}/v1`;
}
