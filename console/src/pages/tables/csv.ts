// Reads CSV (RFC 4180), and takes its lines into a table in batches, with what fails told line by line.
import { Problem } from "../../api/problem";
import { asValue, type Column } from "./columns";
import { addRows, type Query, readCsv, type Row } from "./rows";

export type Failed = { line: number; message: string };
export type Report = { done: number; of: number; added: number; failed: Failed[] };
type Line = { line: number; row: Row };
const BATCH = 100;
const PAGE = 1000;

/** Gives the records of a text, each with the line that it begins on. */
export function recordsOf(text: string): { line: number; fields: string[] }[] {
  const records: { line: number; fields: string[] }[] = [];
  let fields: string[] = [];
  let [begun, line, at] = [1, 1, text.startsWith("\uFEFF") ? 1 : 0];
  const field = /"((?:[^"]|"")*)"|([^,\r\n]*)/y;
  while (at < text.length) {
    field.lastIndex = at;
    const found = field.exec(text);
    const raw = found?.[0] ?? "";
    fields.push(found?.[1]?.replaceAll('""', '"') ?? found?.[2] ?? "");
    line += raw.split("\n").length - 1;
    at += raw.length;
    const end = /\r?\n|,|$/y;
    end.lastIndex = at;
    const mark = end.exec(text)?.[0];
    at += mark?.length ?? 1;
    if (mark === ",") {
      if (at >= text.length) fields.push("");
      continue;
    }
    if (mark === "\n" || mark === "\r\n" || at >= text.length) {
      records.push({ line: begun, fields });
      line += mark ? 1 : 0;
      [begun, fields] = [line, []];
    }
  }
  if (fields.length > 0) records.push({ line: begun, fields });
  return records.filter((one) => one.fields.length > 1 || one.fields[0] !== "");
}

/** Names what the first line has and the table hasn't. */
export function unknownIn(text: string, columns: Column[]): string[] {
  return (recordsOf(text)[0]?.fields ?? []).filter((name) => !columns.some((one) => one.name === name));
}

/** Adds every line that the table takes; `told` is called as it goes on, and stops it by false. */
export async function takeIn(table: string, columns: Column[], text: string, told: (report: Report) => boolean): Promise<void> {
  const [head, ...records] = recordsOf(text);
  const report: Report = { done: 0, of: records.length, added: 0, failed: [] };
  const names = head?.fields ?? [];
  for (let at = 0; at < records.length; at += BATCH) {
    const batch = records.slice(at, at + BATCH);
    const lines: Line[] = [];
    for (const { line, fields } of batch) {
      try {
        lines.push({ line, row: rowOf(names, fields, columns) });
      } catch (error) {
        report.failed.push({ line, message: saidOf(error) });
      }
    }
    await addAll(table, lines, report);
    report.done += batch.length;
    report.failed.sort((one, other) => one.line - other.line);
    if (!told({ ...report, failed: [...report.failed] })) return;
  }
  told(report);
}

/** A batch is taken as a whole; where it isn't, each of its lines alone, so that only those that fail stay out. */
async function addAll(table: string, lines: Line[], report: Report): Promise<void> {
  if (lines.length === 0) return;
  try {
    await addRows(table, lines.map((one) => one.row));
    report.added += lines.length;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const [only] = lines;
    if (lines.length === 1 && only) report.failed.push({ line: only.line, message: saidOf(error) });
    else for (const one of lines) await addAll(table, [one], report);
  }
}

/** An empty field is null. */
function rowOf(names: string[], fields: string[], columns: Column[]): Row {
  if (names.length !== fields.length) throw new SyntaxError(`${fields.length} ≠ ${names.length}`);
  return Object.fromEntries(names.map((name, index) => {
    const column = columns.find((one) => one.name === name);
    return [name, column && asValue(column, fields[index] || null)];
  }));
}

export function saidOf(error: unknown): string {
  if (!(error instanceof Problem)) return error instanceof Error ? error.message : String(error);
  const fields = error.fields.map((one) => `${one.loc.filter((part) => part !== "body").join(".")}: ${one.message}`);
  return fields.length > 0 ? fields.join(" ") : error.document.detail;
}

/** Gives all rows that a query finds as one file. */
export async function takeOut(table: string, query: Query, total: number): Promise<Blob> {
  const parts: string[] = [];
  for (let offset = 0; offset === 0 || offset < total; offset += PAGE) {
    const text = await readCsv(table, [...query, ["limit", String(PAGE)], ["offset", String(offset)]]);
    const page = offset === 0 ? text : text.slice(text.indexOf("\n") + 1);
    parts.push(page === "" || page.endsWith("\n") ? page : `${page}\n`);
  }
  return new Blob(parts, { type: "text/csv" });
}
