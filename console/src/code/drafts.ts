// The drafts that this browser keeps, and the document that they would make of what is live.
import type { Document } from "../api/reads";
import { type Definition, read } from "./places";

export type Section = "endpoints" | "middleware" | "views" | "tables";
export const KEPT_AT = "rowgate.draft.";
const SECTIONS: Section[] = ["endpoints", "middleware", "views", "tables"];

/** Gives a document in which a definition stands; without a name it is new. */
export function within(document: Document, section: Section, name: string | undefined, definition: Definition | undefined): Document {
  if (definition === undefined) return document;
  const all = (document[section] ?? []) as unknown as Definition[];
  const next = name === undefined ? [...all, definition] : all.map((one) => (one.name === name ? definition : one));
  return { ...document, [section]: next };
}

/** Gives the document with every draft of this browser in it, and how many there are. */
export function withDrafts(live: Document): { document: Document; count: number } {
  let document = live;
  let count = 0;
  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith(KEPT_AT)) continue;
    const [section, name] = key.slice(KEPT_AT.length).split("/") as [Section, string];
    const kept = JSON.parse(localStorage.getItem(key) ?? "{}") as { text?: string };
    const definition = read(kept.text ?? "");
    if (!SECTIONS.includes(section) || definition === undefined) continue;
    document = within(document, section, name === "+" ? undefined : name, definition);
    count += 1;
  }
  return { document, count };
}
