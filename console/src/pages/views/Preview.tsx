// The rows that a person sees through a view, and how many its filter hides from them; two people side by side.
import { Alert, Button, Group, Paper, ScrollArea, SimpleGrid, Stack, Table, Text, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { asJson } from "../../api/exact";
import { type Document, useMe } from "../../api/reads";
import { Eye, Route } from "../../parts/icons";
import { asSimulated, type Person, PersonPicker } from "../../parts/PersonPicker";
import { Value } from "../../parts/Value";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { type Entry, type Simulated, simulate } from "../../trace/trace";
import { More } from "../../trace/TraceView";
import { type Explained, Plan } from "./Plan";

const ROWS = 20;

export function Preview({ name, draft }: { name: string; draft: Document }) {
  const texts = useTexts();
  const { mayEdit } = useMe();
  const [query, setQuery] = useState("");
  return (
    <Paper className="card" p="md" component="section" aria-label={texts.views.preview}>
      <Title order={3}>{texts.views.preview}</Title>
      <Text size="sm" c="dimmed" mb="sm">{mayEdit ? texts.views.previewLead : texts.run.editorOnly}</Text>
      {mayEdit ? (
        <Stack gap="md">
          <TextInput maw={480} label={texts.explain.query} description={texts.explain.queryHint} placeholder="order=created_at.desc" classNames={{ input: "mono" }} value={query} onChange={(event) => setQuery(event.currentTarget.value)} />
          <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
            <Side name={name} draft={draft} query={query} begin={{ kind: "anonymous" }} />
            <Side name={name} draft={draft} query={query} begin={{ kind: "signedIn" }} />
          </SimpleGrid>
        </Stack>
      ) : null}
    </Paper>
  );
}

function Side({ name, draft, query, begin }: { name: string; draft: Document; query: string; begin: Person }) {
  const { views: texts, explain } = useTexts();
  const [person, setPerson] = useState<Person | undefined>(begin);
  const showing = useMutation({
    mutationFn: () => simulate({ as: asSimulated(person), method: "GET", path: `/rest/v1/${name}`, query: [query, `limit=${ROWS}`].filter(Boolean).join("&"), headers: {}, draft }),
  });
  const planning = useMutation({
    mutationFn: async () => (await data(api.POST("/admin/v1/explain", { body: { view: name, as: asSimulated(person), query, draft } as unknown as Schemas["Explanation"] }))) as Explained,
  });
  return (
    <Stack gap="sm" miw={0}>
      <PersonPicker value={person} onChange={setPerson} w="100%" />
      <Group gap="xs">
        <Button size="xs" variant="light" leftSection={<Eye size={14} />} loading={showing.isPending} onClick={() => showing.mutate()}>{texts.show}</Button>
        <Button size="xs" variant="default" leftSection={<Route size={14} />} loading={planning.isPending} onClick={() => planning.mutate()}>{explain.plan}</Button>
      </Group>
      <Stack gap="md" aria-live="polite">
        {showing.error ? <ProblemAlert error={showing.error} /> : null}
        {showing.data ? <Seen run={showing.data} /> : null}
        {planning.error ? <ProblemAlert error={planning.error} /> : null}
        {planning.data ? <Plan of={planning.data} /> : null}
      </Stack>
    </Stack>
  );
}

function Seen({ run }: { run: Simulated }) {
  const texts = useTexts().views;
  const refusal = run.trace.find((one) => one.refusal !== undefined)?.refusal;
  if (refusal) return <Alert color="red" p="xs" title={`${texts.refused}: ${refusal.status} ${refusal.code}`}>{refusal.detail}</Alert>;
  const rows = Array.isArray(run.body) ? (run.body as Record<string, unknown>[]) : [];
  const counted = all(run.trace).find((one) => one.rows_before_filter != null && one.rows_after_filter != null);
  const columns = Object.keys(rows[0] ?? {});
  const statements = all(run.trace).flatMap((one) => one.statements ?? []);
  return (
    <Stack gap="xs">
      <Text size="sm" fw={600}>
        {counted ? texts.shown(counted.rows_after_filter ?? 0, counted.rows_before_filter ?? 0) : texts.shownOnly(rows.length)}
      </Text>
      {rows.length === 0 ? <Text size="sm" c="dimmed">{texts.noRows}</Text> : (
        <ScrollArea viewportProps={{ tabIndex: 0 }}>
          <Table withTableBorder striped fz="xs">
            <Table.Thead><Table.Tr>{columns.map((one) => <Table.Th key={one}>{one}</Table.Th>)}</Table.Tr></Table.Thead>
            <Table.Tbody>
              {rows.map((row, index) => (
                <Table.Tr key={index}>{columns.map((one) => <Table.Td key={one} className="mono"><Value text={cell(row[one])} /></Table.Td>)}</Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </ScrollArea>
      )}
      {statements.length > 0 ? <More label={texts.sql}><pre className="code" tabIndex={0}>{statements.map((one) => `${one.sql}\n${asJson(one.parameters)}`).join("\n\n")}</pre></More> : null}
    </Stack>
  );
}

function all(trace: Entry[]): Entry[] {
  return trace.flatMap((one) => [one, ...all(one.steps ?? [])]);
}

function cell(value: unknown): string {
  return value === null || value === undefined ? "" : typeof value === "object" ? asJson(value) : String(value);
}
