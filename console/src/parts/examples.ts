// A body to begin with, made of the inputs that an endpoint declares.
type Field = { type?: string; default?: unknown; values?: unknown[]; fields?: Record<string, Field>; items?: Field; min?: number };

export function exampleOf(body: unknown): unknown {
  if (body === null || typeof body !== "object") return undefined;
  const fields = Object.entries(body as Record<string, Field>);
  if (fields.length === 0) return undefined;
  return Object.fromEntries(fields.map(([name, field]) => [name, valueOf(field)]));
}

function valueOf(field: Field): unknown {
  if (field.default !== undefined && field.default !== null) return field.default;
  switch (field.type) {
    case "boolean":
      return false;
    case "integer":
    case "bigint":
    case "decimal":
    case "number":
      return field.min ?? 1;
    case "enum":
      return field.values?.[0] ?? "";
    case "list":
      return [];
    case "object":
      return exampleOf(field.fields) ?? {};
    case "json":
      return {};
    case "timestamp":
      return new Date().toISOString();
    case "date":
      return new Date().toISOString().slice(0, 10);
    default:
      return "";
  }
}
