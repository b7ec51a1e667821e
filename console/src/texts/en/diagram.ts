// The texts of the diagram of tables in English.
export const diagram = {
  title: "Tables and their references",
  lead: "What is referred to stands left of what refers to it. Point at a table, or go to it by keyboard, to light up its references.",
  none: "No table refers to another one yet. A column of the type reference, or user, makes a line here.",
  empty: "There are no tables yet. A table is what endpoints and views keep their rows in; make the first one.",
  alone: "Without references:",
  asList: "As a list",
  edge: (from: string, columns: string, to: string) => `${from}.${columns} → ${to}`,
};
