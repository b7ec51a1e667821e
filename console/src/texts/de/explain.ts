// Die Texte der Pläne auf Deutsch.
import type { Texts } from "../en";

export const explain: Texts["explain"] = {
  query: "Abfrage",
  queryHint: "Wie ein Frontend sie sendet; sie darf leer bleiben.",
  plan: "Den Plan zeigen",
  title: "Was Postgres täte",
  lead: "Für diese Person geplant und nicht ausgeführt. Die Zahlen sind Schätzungen von Postgres.",
  tree: "Die Schritte des Plans, der letzte zuerst",
  whole: "liest die ganze Tabelle",
  by: "über Index",
  rows: (count) => (count === 1 ? "etwa 1 Zeile" : `etwa ${count.toLocaleString("de")} Zeilen`),
  cost: (cost) => `Kosten ${cost.toLocaleString("de", { maximumFractionDigits: 1 })}`,
  lacks: "Ein Index fehlt",
  none: "Keine große Tabelle wird für einen Filter oder eine Ordnung ganz gelesen, die ein Index fände.",
  sql: "SQL und Parameter",
};
