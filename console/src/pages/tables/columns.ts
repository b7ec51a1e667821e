// A table's columns as the grid shows and takes them, and the texts that their values are typed as.
import { asJson, fromJson } from "../../api/exact";
import type { Definitions, Document, Table } from "../../api/reads";

type Said = Definitions["ColumnDef"];
export type Column = Pick<Said, "name" | "type" | "array" | "required" | "values" | "description" | "default"> & {
  /** The table that it leads to, and the column there whose values it holds. */
  target?: string;
  key: string;
  /** Whether the database gives it by itself. */
  kept: boolean;
};

const MADE_IDS: string[] = ["uuid", "bigint"]; // those that the database makes; others a new row has to say

/** Gives every column in order, those of the database among them. */
export function columnsOf(table: Table): Column[] {
  const id = (typeof table.id === "string" ? table.id : table.id?.type ?? "uuid") as Said["type"];
  const moments = table.timestamps === false ? [] : ["created_at", "updated_at"];
  const own = (name: string, type: Said["type"], kept = true): Column => ({ name, type, required: true, key: "id", kept });
  return [
    own("id", id, MADE_IDS.includes(id)),
    ...(table.columns ?? []).map(asColumn),
    ...moments.map((name) => own(name, "timestamp")),
  ];
}

function asColumn(said: Said): Column {
  return { ...said, target: said.table ?? (said.type === "user" ? "users" : undefined), key: said.column ?? "id", kept: false };
}

/** Names the column by which people know the rows of a table: the first text that it has. */
export function namedBy(document: Document, table: string): string {
  if (table === "users") return "email";
  const all = document.tables?.find((one) => one.name === table)?.columns ?? [];
  return all.find((one) => one.type === "text" && !one.array)?.name ?? "id";
}

export function isJson(column: Column): boolean {
  return column.type === "json" || column.array === true;
}

/** Writes a value as it is typed; null is no text. */
export function asText(column: Column, value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (isJson(column)) return asJson(value, 2);
  return typeof value === "object" ? asJson(value) : String(value);
}

/** Reads what was typed as the server takes it, which says itself what is wrong with it; raises SyntaxError for what is no JSON. */
export function asValue(column: Column, text: string | null): unknown {
  if (text === null || (text === "" && column.type !== "text")) return null;
  if (isJson(column)) return fromJson(text);
  if (column.type === "boolean") return text === "true" ? true : text === "false" ? false : text;
  if (column.type === "integer" || column.type === "float") return Number.isFinite(Number(text)) ? Number(text) : text;
  return text;
}
