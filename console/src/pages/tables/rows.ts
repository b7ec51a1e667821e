// Reads and writes rows of a table through the admin API, in the dialect of views.
import { call } from "../../api/client";
import { exactly } from "../../api/exact";
import { asAdmin } from "../../api/session";
import { type Column, asText } from "./columns";

export type Row = Record<string, unknown>;
export type Test = { column: string; operator: Operator; value: string };
export const OPERATORS = ["eq", "neq", "lt", "lte", "gt", "gte", "ilike", "null", "not_null"] as const;
export type Operator = (typeof OPERATORS)[number];
export type Query = [name: string, value: string][];

/** Says by whether a value is needed which operators stand alone. */
export const isAlone = (operator: Operator): boolean => operator === "null" || operator === "not_null";

export function testsOf(tests: Test[]): Query {
  return tests.map(({ column, operator, value }) => {
    if (isAlone(operator)) return [column, `is.${operator}`];
    return [column, operator === "ilike" ? `ilike.*${value}*` : `${operator}.${value}`];
  });
}

async function asked(table: string, query: Query, headers: Record<string, string>): Promise<Response> {
  const url = new URL(`/admin/v1/tables/${table}/rows`, window.location.origin);
  for (const [name, value] of query) url.searchParams.append(name, value);
  return asAdmin(new Request(url, { headers }));
}

/** Gives a page of rows, and how many there are of them in all. */
export async function readRows(table: string, query: Query): Promise<{ rows: Row[]; total: number }> {
  const answer = await asked(table, query, { Prefer: "count=exact" });
  const total = Number(answer.headers.get("content-range")?.split("/")[1] ?? 0);
  return { rows: (await exactly(answer)) as Row[], total };
}

/** Gives a page of rows as CSV, with its line of names. */
export async function readCsv(table: string, query: Query): Promise<string> {
  return (await asked(table, query, { Accept: "text/csv" })).text();
}

export async function addRows(table: string, rows: Row | Row[]): Promise<void> {
  await call({ method: "POST", path: `/tables/${table}/rows`, query: { select: "id" }, body: rows });
}

/** Changes one column of a row as it was read; says whether it was still so. */
export async function changeRow(table: string, row: Row, column: string, value: unknown): Promise<boolean> {
  const seen = row.updated_at === undefined ? {} : { updated_at: `eq.${String(row.updated_at)}` };
  const answer = await call({ method: "PATCH", path: `/tables/${table}/rows`, query: { id: `eq.${String(row.id)}`, ...seen, select: "id" }, body: { [column]: value } });
  return ((await answer.json()) as Row[]).length === 1;
}

export async function deleteRows(table: string, ids: unknown[]): Promise<void> {
  const listed = ids.map((one) => `"${String(one).replaceAll(/["\\]/g, "\\$&")}"`).join(",");
  await call({ method: "DELETE", path: `/tables/${table}/rows`, query: { id: `in.(${listed})`, select: "id" } });
}

/** Writes a value in a line, for a cell. */
export function shown(column: Column, value: unknown): string {
  const text = asText(column, value) ?? "";
  return column.type === "timestamp" ? text.replace("T", " ").replace(/(\.\d+)?(Z|\+00:00)$/, "") : text;
}
