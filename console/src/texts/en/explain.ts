// The texts of plans in English.
export const explain = {
  query: "Query",
  queryHint: "As a frontend sends it; it may be left empty.",
  plan: "Show the plan",
  title: "What Postgres would do",
  lead: "Planned for this person, and not run. Figures are Postgres' own guesses.",
  tree: "The steps of the plan, the last one first",
  whole: "reads the whole table",
  by: "by index",
  rows: (count: number) => (count === 1 ? "about 1 row" : `about ${count.toLocaleString()} rows`),
  cost: (cost: number) => `cost ${cost.toLocaleString(undefined, { maximumFractionDigits: 1 })}`,
  lacks: "An index is missing",
  none: "No large table is read whole for a filter or an order that an index would answer.",
  sql: "SQL and parameters",
};
