// Where the tables of a diagram stand: what is led to is left of what leads there, in columns of a bounded height.
import type { Relation } from "./Facts";

export type Placed = { name: string; x: number; y: number };
export type Layout = { nodes: Map<string, Placed>; alone: string[]; width: number; height: number };

export const WIDE = 168;
export const HIGH = 34;
const ACROSS = 84;
const DOWN = 14;
const EDGE = 16;
const COLUMN = 14; // tables in a column, from which on another one begins

export function layoutOf(names: string[], relations: Relation[]): Layout {
  const related = new Set(relations.flatMap(({ from, to }) => [from, to]));
  const all = [...new Set([...names, ...related])].filter((one) => related.has(one)).sort();
  const targets = new Map(all.map((one) => [one, [...new Set(relations.filter(({ from, to }) => from === one && to !== one).map(({ to }) => to))]]));
  const depth = depths(all, targets);
  const columns: string[][] = [];
  for (let level = 0; level <= Math.max(0, ...depth.values()); level += 1) {
    const at = new Map(columns.flatMap((column) => column.map((one, index) => [one, index] as const)));
    const near = (one: string) => mean((targets.get(one) ?? []).map((to) => at.get(to)).filter((index) => index !== undefined));
    const here = all.filter((one) => depth.get(one) === level).sort((one, other) => near(one) - near(other) || one.localeCompare(other));
    for (let first = 0; first < here.length; first += COLUMN) columns.push(here.slice(first, first + COLUMN));
  }
  const tallest = Math.max(1, ...columns.map((column) => column.length));
  const height = 2 * EDGE + tallest * (HIGH + DOWN) - DOWN;
  const nodes = new Map<string, Placed>();
  columns.forEach((column, index) => {
    const top = (height - (column.length * (HIGH + DOWN) - DOWN)) / 2;
    column.forEach((name, row) => nodes.set(name, { name, x: EDGE + index * (WIDE + ACROSS), y: top + row * (HIGH + DOWN) }));
  });
  return { nodes, alone: names.filter((one) => !related.has(one)), width: 2 * EDGE + columns.length * (WIDE + ACROSS) - ACROSS, height };
}

/** How far each is from what leads nowhere; in a circle, as far as it was when it was met again. */
function depths(all: string[], targets: Map<string, string[]>): Map<string, number> {
  const found = new Map<string, number>();
  const under = new Set<string>();
  const of = (one: string): number => {
    const known = found.get(one);
    if (known !== undefined) return known;
    if (under.has(one)) return -1;
    under.add(one);
    const depth = Math.max(-1, ...(targets.get(one) ?? []).map(of)) + 1;
    under.delete(one);
    found.set(one, depth);
    return depth;
  };
  all.forEach(of);
  return found;
}

const mean = (of: number[]): number => (of.length === 0 ? 0 : of.reduce((sum, one) => sum + one, 0) / of.length);
