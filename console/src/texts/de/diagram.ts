// Die Texte des Bilds der Tabellen auf Deutsch.
import type { Texts } from "../en";

export const diagram: Texts["diagram"] = {
  title: "Tabellen und ihre Verweise",
  lead: "Worauf verwiesen wird, steht links von dem, was darauf verweist. Wer auf eine Tabelle zeigt oder sie mit der Tastatur erreicht, sieht ihre Verweise.",
  none: "Noch verweist keine Tabelle auf eine andere. Eine Spalte vom Typ reference oder user gibt hier eine Linie.",
  empty: "Es gibt noch keine Tabellen. In Tabellen bewahren Endpunkte und Sichten ihre Zeilen auf; mach die erste.",
  alone: "Ohne Verweise:",
  asList: "Als Liste",
  edge: (from, columns, to) => `${from}.${columns} → ${to}`,
};
