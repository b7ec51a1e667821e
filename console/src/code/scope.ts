// The names that a definition's expressions may use, for completion: what callers, inputs, steps and tables bring.
import type { Document, Step, Table } from "../api/reads";
import type { Section } from "./DefinitionEditor";
import type { Definition } from "./places";
import { bound } from "./StepsField";

export function namesFor(section: Section, definition: Definition, document: Document): string[] {
  const columns = ["id", "email", "roles", ...(document.users?.columns?.map((one) => one.name) ?? [])];
  const caller = ["auth.signed_in", ...columns.map((one) => `auth.user.${one}`), "now"];
  if (section === "views" || section === "tables") {
    const table = section === "tables" ? (definition as Partial<Table>) : document.tables?.find((one) => one.name === definition.table);
    return [...(section === "views" ? caller : []), ...["id", "created_at", "updated_at", ...(table?.columns?.map((one) => one.name) ?? [])].map((one) => `row.${one}`)];
  }
  const input = definition.input as Record<string, Record<string, unknown>> | undefined;
  const inputs = Object.values(input ?? {}).flatMap((part) => (typeof part === "object" && part !== null ? Object.keys(part) : []));
  const uses = [...(document.project?.middleware ?? []), ...((definition.middleware as unknown[]) ?? [])];
  const through = uses.flatMap((use) => {
    const name = typeof use === "string" ? use : (use as { use?: string }).use;
    return bound((document.middleware?.find((one) => one.name === name)?.steps ?? []) as Step[]);
  });
  const params = Object.keys((definition.params as object | undefined) ?? {}).map((one) => `params.${one}`);
  const own = section === "endpoints" ? [] : bound((definition.steps as Step[] | undefined) ?? []);
  return [...new Set([...caller, "request.ip", "request.method", "request.path", ...inputs.map((one) => `input.${one}`), ...params, ...through, ...own])];
}
