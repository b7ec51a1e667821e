// The tables and what refers to what, as a diagram whose tables are links, and as a list.
import { Paper, Text, Title } from "@mantine/core";
import { memo, useMemo, useState } from "react";
import { Link } from "react-router";
import type { Document } from "../../api/reads";
import { useTexts } from "../../texts";
import { type Relation, relationsOf } from "./Facts";
import { HIGH, type Layout, layoutOf, type Placed, WIDE } from "./layout";
import classes from "./tables.module.css";

export function Diagram({ document }: { document: Document }) {
  const texts = useTexts().diagram;
  const [lit, light] = useState<string>();
  const { relations, layout } = useMemo(() => {
    const found = relationsOf(document);
    return { relations: found, layout: layoutOf((document.tables ?? []).map((one) => one.name), found) };
  }, [document]);
  if ((document.tables ?? []).length === 0) return <Text size="sm" c="dimmed">{texts.empty}</Text>;
  return (
    <Paper className="card" p="md" component="section" aria-label={texts.title}>
      <Title order={2} fz="sm">{texts.title}</Title>
      <Text size="sm" c="dimmed" mb="xs">{relations.length === 0 ? texts.none : texts.lead}</Text>
      {relations.length > 0 ? <Picture layout={layout} relations={relations} lit={lit} light={light} /> : null}
      {layout.alone.length > 0 ? <Text size="sm" mt="xs"><Text span size="sm" c="dimmed">{texts.alone} </Text>{layout.alone.map((one) => <span key={one}><Link to={`/tables/${one}`} className="code">{one}</Link> </span>)}</Text> : null}
      {relations.length > 0 ? (
        <details className={classes.details}>
          <summary>{texts.asList}</summary>
          <ul>{relations.map((one) => <li key={`${one.from} ${one.columns}`}>{texts.edge(one.from, one.columns, one.to)}</li>)}</ul>
        </details>
      ) : null}
    </Paper>
  );
}

type Props = { layout: Layout; relations: Relation[]; lit: string | undefined; light: (name: string | undefined) => void };

function Picture({ layout, relations, lit, light }: Props) {
  const texts = useTexts().diagram;
  const touched = new Set(relations.filter((one) => one.from === lit || one.to === lit).flatMap((one) => [one.from, one.to]));
  return (
    <div className={classes.diagram} data-lit={lit !== undefined} tabIndex={0} role="group" aria-label={texts.title}>
      <div style={{ position: "relative", width: layout.width, height: layout.height }}>
        <svg width={layout.width} height={layout.height} aria-hidden>
          {relations.map((one) => <Edge key={`${one.from} ${one.columns}`} relation={one} layout={layout} isLit={one.from === lit || one.to === lit} />)}
        </svg>
        {[...layout.nodes.values()].map((one) => <Node key={one.name} placed={one} isLit={one.name === lit || touched.has(one.name)} light={light} />)}
      </div>
    </div>
  );
}

/** Only what becomes lit, or is so no longer, is made anew: that the others are dim says the diagram itself. */
const Edge = memo(function Edge({ relation, layout, isLit }: { relation: Relation; layout: Layout; isLit: boolean }) {
  const texts = useTexts().diagram;
  const [from, to] = [layout.nodes.get(relation.from), layout.nodes.get(relation.to)];
  if (!from || !to) return null;
  return <path d={way(from, to)} className={`${classes.edge} ${isLit ? classes.lit : ""}`}><title>{texts.edge(relation.from, relation.columns, relation.to)}</title></path>;
});

const Node = memo(function Node({ placed: { name, x, y }, isLit, light }: { placed: Placed; isLit: boolean; light: Props["light"] }) {
  return (
    <Link to={name === "users" ? "/people" : `/tables/${name}`} className={`${classes.node} ${isLit ? classes.lit : ""}`} style={{ left: x, top: y, width: WIDE, height: HIGH }} title={name}
      onMouseEnter={() => light(name)} onMouseLeave={() => light(undefined)} onFocus={() => light(name)} onBlur={() => light(undefined)}>
      {name}
    </Link>
  );
});

/** The line from the left side of what refers to the right side of what is referred to; round the side where that isn't left of it. */
function way(from: Placed, to: Placed): string {
  const [y, end] = [from.y + HIGH / 2, to.y + HIGH / 2];
  if (to.x >= from.x) {
    const side = Math.max(from.x, to.x) + WIDE;
    const lift = from.name === to.name ? HIGH / 3 : 0;
    return `M ${from.x + WIDE} ${y - lift} C ${side + 46} ${y - lift}, ${side + 46} ${end + lift}, ${to.x + WIDE} ${end + lift}`;
  }
  const [x, goal] = [from.x, to.x + WIDE];
  const bend = Math.max(30, (x - goal) / 2);
  return `M ${x} ${y} C ${x - bend} ${y}, ${goal + bend} ${end}, ${goal} ${end}`;
}
