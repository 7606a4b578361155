import type { JsonObject } from "../events.ts";

/**
 * What zod, valibot, arktype and others share: https://standardschema.dev. Only what is used here.
 * `jsonSchema` is the extension by which a schema says itself as JSON Schema.
 */
export interface StandardSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
    readonly jsonSchema?: { input(options: { readonly target: "draft-07" }): Record<string, unknown> };
  };
}

type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The value as the schema gives it back, or what is wrong with it, in one line. */
export async function validate<Output>(
  schema: StandardSchema<Output>,
  value: unknown,
): Promise<{ value: Output } | { wrong: string }> {
  const result = await schema["~standard"].validate(value);
  if (!result.issues) return { value: result.value };
  return { wrong: result.issues.map(describe).join("; ") };
}

function describe({ message, path = [] }: SchemaIssue): string {
  const place = path.map((step) => String(typeof step === "object" ? step.key : step)).join(".");
  return place ? `${place}: ${message}` : message;
}

/** Throws `TypeError` unless the schema can validate and be told to a model. */
export function checkSchema(schema: unknown): void {
  const standard = (schema as Partial<StandardSchema> | undefined)?.["~standard"];
  if (typeof standard?.validate !== "function") {
    throw new TypeError(
      "Cannot make a tool: `input` must be a Standard Schema, such as z.object({ ... }) of zod",
    );
  }
  // A zod from before it spoke JSON Schema itself is converted by the AI SDK.
  if (!standard.jsonSchema && standard.vendor === "zod") return;
  if (!standard.jsonSchema) {
    throw new TypeError(
      `Cannot make a tool: the schema of "${standard.vendor}" does not say itself as JSON Schema (\`~standard.jsonSchema\`), which models need`,
    );
  }
  try {
    standard.jsonSchema.input({ target: "draft-07" });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TypeError(`Cannot make a tool: its \`input\` has no JSON Schema: ${why}`, { cause: error });
  }
}

type Field = {
  readonly type: "string" | "number" | "boolean";
  readonly description?: string;
  readonly optional?: boolean;
};
type FieldType = { string: string; number: number; boolean: boolean };
type ObjectOf<Fields extends Record<string, Field>> = {
  [Name in keyof Fields as Fields[Name] extends { optional: true }
    ? never
    : Name]: FieldType[Fields[Name]["type"]];
} & {
  [Name in keyof Fields as Fields[Name] extends { optional: true }
    ? Name
    : never]?: FieldType[Fields[Name]["type"]];
};

/** A schema of a flat object, for tools that want no schema library. */
export function objectSchema<const Fields extends Record<string, Field>>(
  fields: Fields,
): StandardSchema<ObjectOf<Fields>> {
  const names = Object.keys(fields);
  const json: JsonObject = {
    type: "object",
    properties: Object.fromEntries(
      Object.entries(fields).map(([name, { optional, ...field }]) => [name, field as JsonObject]),
    ),
    required: names.filter((name) => !fields[name]?.optional),
    additionalProperties: false,
  };
  return {
    "~standard": {
      version: 1,
      vendor: "runlog",
      validate(value) {
        if (typeof value !== "object" || value === null || Array.isArray(value)) {
          return { issues: [{ message: "must be an object" }] };
        }
        const given = value as Record<string, unknown>;
        const issues = names.flatMap((name) => {
          const { type, optional } = fields[name]!;
          if (given[name] === undefined && optional) return [];
          return typeof given[name] === type ? [] : [{ message: `must be a ${type}`, path: [name] }];
        });
        return issues.length > 0 ? { issues } : { value: value as ObjectOf<Fields> };
      },
      jsonSchema: { input: () => ({ ...json }) },
    },
  };
}
