// Where a finding stands in the YAML of a definition, and the YAML itself.
import type { Diagnostic } from "@codemirror/lint";
import { isCollection, isPair, isScalar, parseDocument, stringify } from "yaml";
import type { Schemas } from "../api/client";

export type Definition = { name?: string } & Record<string, unknown>;
type Finding = Schemas["FindingAnswer"];

export const write = (definition: Definition): string => stringify(definition, { lineWidth: 100, flowCollectionPadding: false });

/** Reads a definition; undefined where the text is no YAML or no map. */
export function read(text: string): Definition | undefined {
  const document = parseDocument(text);
  if (document.errors.length > 0) return undefined;
  const said: unknown = document.toJS();
  return typeof said === "object" && said !== null && !Array.isArray(said) ? (said as Definition) : undefined;
}

export function unreadable(text: string): Diagnostic[] {
  return parseDocument(text).errors.map((one) => ({ from: one.pos[0], to: one.pos[1], severity: "error", message: one.message.split("\n")[0] ?? "" }));
}

/** Puts findings of `section/name` under what they are about: `endpoints/a.steps/0.that:1:5` is under that step's `that`. */
export function diagnosed(text: string, own: string, findings: Finding[], severity: Diagnostic["severity"]): Diagnostic[] {
  const document = parseDocument(text);
  return findings.map((one) => {
    const [place = ""] = one.place.slice(own.length).replace(/^\./, "").split(/:\d+:\d+$/);
    const [from, to] = rangeOf(document.contents, place.split(/[./]/).filter(Boolean)) ?? [0, text.indexOf("\n")];
    return { from, to: Math.max(to, from + 1), severity, message: [one.message, one.hint].filter(Boolean).join("\n"), source: one.code };
  });
}

function rangeOf(node: unknown, path: string[]): [number, number] | undefined {
  let current = node;
  let found: [number, number] | undefined;
  for (const part of path) {
    if (!isCollection(current)) break;
    const next: unknown = current.items.find((item, index) => (isPair(item) ? isScalar(item.key) && String(item.key.value) === part : String(index) === part));
    if (next === undefined) break;
    current = isPair(next) ? next.value : next;
    const at = isPair(next) ? (next.key as { range?: [number, number, number] }).range : (next as { range?: [number, number, number] }).range;
    const value = (current as { range?: [number, number, number] } | null)?.range;
    if (isScalar(current) && value) found = [value[0], value[1]];
    else if (at) found = [at[0], at[1]];
  }
  return found;
}
