// Reads the JSON Schema of a document for forms: what a key takes, in the few ways that a form can ask for it.
export type Json = { [key: string]: unknown };
export type Schema = Json & {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  description?: string;
  default?: unknown;
};
export type Root = Schema & { $defs: Record<string, Schema> };
export type Widget = "choice" | "switch" | "number" | "text" | "texts" | "steps" | "access" | "yaml";

export function deref(root: Root, schema: Schema): Schema {
  const name = schema.$ref?.split("/").at(-1);
  return name === undefined ? schema : { ...root.$defs[name], ...(schema.description ? { description: schema.description } : {}) };
}

/** Says what a key takes when null is left aside. */
export function plain(root: Root, schema: Schema): Schema {
  const said = deref(root, schema);
  const forms = (said.anyOf ?? said.oneOf)?.filter((one) => one.type !== "null") ?? [];
  return forms.length === 1 && forms[0] !== undefined ? { ...plain(root, forms[0]), description: said.description } : said;
}

export function widgetOf(root: Root, name: string, schema: Schema): Widget {
  if (schema.items?.$ref?.endsWith("/StepDef") || (name !== "body" && isSteps(root, schema))) return "steps";
  if (name === "access") return "access";
  const said = plain(root, schema);
  if (said.enum !== undefined) return "choice";
  if (said.type === "boolean") return "switch";
  if (said.type === "integer" || said.type === "number") return "number";
  if (said.type === "string") return "text";
  if (said.type === "array" && said.items && plain(root, said.items).type === "string") return "texts";
  return "yaml";
}

function isSteps(root: Root, schema: Schema): boolean {
  const said = plain(root, schema);
  return said.type === "array" && said.items !== undefined && String(said.items.$ref ?? "").endsWith("/StepDef");
}

/** Gives the kinds of steps, in order. */
export function kindsOf(root: Root): string[] {
  return Object.keys(root.$defs).filter((one) => one.startsWith("step_")).map((one) => one.slice(5)).sort();
}

export function stepSchema(root: Root, kind: string): Schema | undefined {
  return root.$defs[`step_${kind}`];
}
