// What a table is beside its columns: where it leads, what leads to it, its indexes, checks, and the views of it.
import { Paper, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";
import type { Document } from "../../api/reads";
import type { Definition } from "../../code/places";
import { useTexts } from "../../texts";
import { columnsOf } from "./columns";

type Named = { columns: string[]; where?: string };
const listed = (said: unknown): Named[] => ((said as (string[] | Named)[] | undefined) ?? []).map((one) => (Array.isArray(one) ? { columns: one } : one));
export type Relation = { from: string; columns: string; to: string };

export function relationsOf(document: Document): Relation[] {
  return (document.tables ?? []).flatMap((table) => [
    ...columnsOf(table).filter((one) => one.target).map((one) => ({ from: table.name, columns: one.name, to: one.target ?? "" })),
    ...(table.references ?? []).map((one) => ({ from: table.name, columns: one.columns.join(", "), to: one.table })),
  ]);
}

export function Facts({ definition, draft }: { definition: Definition; draft: Document }) {
  const texts = useTexts().rows;
  const relations = relationsOf(draft);
  const { name } = definition;
  const leads = relations.filter((one) => one.from === name);
  const led = relations.filter((one) => one.to === name);
  const indexes = [...listed(definition.indexes), ...listed(definition.unique).map((one) => ({ ...one, unique: true }))];
  const checks = (definition.checks as { rule: string }[] | undefined) ?? [];
  const views = (draft.views ?? []).filter((one) => one.table === name);
  return (
    <Paper className="card" p="md" component="section" aria-label={texts.relations}>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="lg">
        <Fact title={texts.leadsTo} none={texts.none}>
          {leads.map((one) => <Text key={one.columns} size="sm"><span className="mono">{one.columns}</span> → <To table={one.to} /></Text>)}
        </Fact>
        <Fact title={texts.ledFrom} none={texts.none}>
          {led.map((one) => <Text key={`${one.from} ${one.columns}`} size="sm"><To table={one.from} /><span className="mono"> . {one.columns}</span></Text>)}
        </Fact>
        <Fact title={texts.indexes} none={texts.none}>
          {indexes.map((one, index) => <Text key={index} size="sm" className="mono">({one.columns.join(", ")}){"unique" in one ? ` · ${texts.unique}` : ""}{one.where ? ` · ${one.where}` : ""}</Text>)}
        </Fact>
        <Fact title={texts.checks} none={texts.none}>{checks.map((one) => <Text key={one.rule} size="sm" className="mono">{one.rule}</Text>)}</Fact>
        <Fact title={texts.views} none={texts.none}>
          {views.map((one) => <Text key={one.name} size="sm"><Link to={`/views/${one.name}`} className="code">{one.name}</Link></Text>)}
        </Fact>
      </SimpleGrid>
    </Paper>
  );
}

function To({ table }: { table: string }) {
  return table === "users" ? <span className="code">users</span> : <Link to={`/tables/${table}/definition`} className="code">{table}</Link>;
}

function Fact({ title, none, children }: { title: string; none: string; children: ReactNode[] }) {
  return (
    <Stack gap={4}>
      <Title order={3}>{title}</Title>
      {children.length === 0 ? <Text size="sm" c="dimmed">{none}</Text> : children}
    </Stack>
  );
}
