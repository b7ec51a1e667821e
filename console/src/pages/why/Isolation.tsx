// The isolation proof: started here, followed while it runs, and what came of the last one.
import { Accordion, Alert, Button, Group, List, MultiSelect, Paper, Progress, Stack, TagsInput, Text, Title } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, queries, type Schemas } from "../../api/client";
import { config } from "../../api/reads";
import { Check, Play } from "../../parts/icons";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { lasted } from "./requests";
import { Decision } from "./Tests";
import classes from "./why.module.css";

type Proof = Schemas["ProofAnswer"];
type Leak = Schemas["LeakAnswer"];
const KEY = ["proof"];
const OFTEN = 400; // milliseconds between two looks at a proof that runs

export default function Isolation() {
  const texts = useTexts().why.isolation;
  const { data: live } = useQuery(config);
  const [roles, setRoles] = useState<string[]>([]);
  const [columns, setColumns] = useState<string[]>([]);
  const [shared, setShared] = useState<string[]>([]);
  const proving = useMutation({
    mutationFn: () => data(api.POST("/admin/v1/test/isolation", { params: { query: { role: roles, user: columns, shared } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: KEY }),
  });
  const { data: told, error } = useQuery({
    queryKey: KEY,
    queryFn: () => data(api.GET("/admin/v1/test/isolation")),
    refetchInterval: ({ state }) => (proving.isPending || state.data?.state === "running" ? OFTEN : false),
  });
  if (error && told === undefined) return <ProblemAlert error={error} />;
  if (!live || told === undefined) return <Loading />;
  const isRunning = told.state === "running" || proving.isPending;
  const tables = (live.document.tables ?? []).map((one) => one.name);
  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed" maw={720}>{texts.lead}</Text>
      <form onSubmit={(event) => { event.preventDefault(); proving.mutate(); }}>
        <div className={classes.filters}>
          <MultiSelect label={texts.roles} data={(live.document.roles ?? []).map((one) => one.name)} value={roles} onChange={setRoles} disabled={isRunning} />
          <TagsInput label={texts.columns} value={columns} onChange={setColumns} disabled={isRunning} />
          <TagsInput label={texts.shared} data={tables} value={shared} onChange={setShared} disabled={isRunning} />
          <Button type="submit" leftSection={<Play size={15} />} loading={isRunning}>{told.state === "none" ? texts.start : texts.again}</Button>
        </div>
      </form>
      {proving.error ? <ProblemAlert error={proving.error} /> : null}
      {isRunning ? <Running done={told.state === "running" ? told.done : 0} known={told.state === "running" ? told.known : 0} /> : null}
      {!isRunning && told.report ? <Report proof={told.report} /> : null}
      {!isRunning && told.state === "none" ? <Text size="sm">{texts.none}</Text> : null}
    </Stack>
  );
}

function Running({ done, known }: { done: number; known: number }) {
  const texts = useTexts().why.isolation;
  const told = known === 0 || done === 0 ? texts.waiting : texts.progress(done, known);
  return (
    <div>
      <Progress value={known === 0 ? 0 : (100 * done) / known} animated aria-label={texts.progress(done, known)} size="lg" />
      <Text size="sm" mt={6} role="status">{told}</Text>
    </div>
  );
}

function Report({ proof }: { proof: Proof }) {
  const texts = useTexts().why.isolation;
  const place = (one: { where: string; action: string | null }) => `${one.where}${one.action ? ` ${one.action}` : ""}`;
  const parts: [string, string[]][] = [
    [texts.unreached, proof.unreached.map((one) => `${place(one)} (${one.caller}): ${String(one.why)}`)],
    [texts.untried, proof.untried.map((one) => `${place(one)}: ${String(one.why)}`)],
    [texts.cut, proof.cut.map(place)],
    [texts.missing, proof.missing.map((one) => `${one.table}: ${String(one.why)}`)],
    [texts.public, proof.public],
  ];
  return (
    <Stack gap="md">
      <Alert color={proof.leaks.length > 0 ? "red" : "teal"} icon={proof.leaks.length > 0 ? undefined : <Check size={18} />} title={texts.leaks(proof.leaks.length)}>
        {proof.leaks.length === 0 ? `${texts.clean} ` : ""}{texts.sum(proof.requests, proof.tried.length, lasted(proof.milliseconds))}
      </Alert>
      {proof.leaks.map((leak, index) => <LeakTold key={index} leak={leak} />)}
      <Accordion variant="separated" chevronPosition="left">
        {parts.filter(([, lines]) => lines.length > 0).map(([title, lines]) => (
          <Accordion.Item key={title} value={title}>
            <Accordion.Control>{title} ({lines.length})</Accordion.Control>
            <Accordion.Panel><List size="sm">{lines.map((line) => <List.Item key={line} className="mono">{line}</List.Item>)}</List></Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
    </Stack>
  );
}

function LeakTold({ leak }: { leak: Leak }) {
  const texts = useTexts().why.isolation;
  const columns = Object.entries(leak.columns).map(([name, value]) => `${name} = ${JSON.stringify(value)}`).join(", ");
  const who = columns === "" ? leak.caller : `${leak.caller} (${columns})`;
  const reached = Array.isArray(leak.reached) ? leak.reached.join(", ") : String(leak.reached);
  const request = leak.request as { method: string; path: string; query: string; headers: Record<string, string>; body: unknown };
  const lines = [`${request.method} ${request.path}${request.query ? `?${unescaped(request.query)}` : ""}`, ...Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`)];
  if (request.body !== null) lines.push(JSON.stringify(request.body));
  return (
    <Paper className={classes.leak} component="section" aria-label={`${leak.where} ${leak.action ?? ""}`}>
      <Group gap="xs"><Title order={2} size="h3" className="mono">{leak.where}{leak.action ? ` ${leak.action}` : ""}</Title></Group>
      <Text size="sm" fw={600}>{texts.kinds[leak.kind]?.(who, leak.other ?? "", reached) ?? `${who}: ${leak.kind} ${reached}`}</Text>
      <div><Text size="sm">{texts.by}, {texts.answered(leak.status)}:</Text><pre className="code" tabIndex={0}>{lines.join("\n")}</pre></div>
      {leak.let_by.length === 0 ? <Text size="sm">{texts.noCheck}</Text> : leak.let_by.map((one, index) => <Decision key={index} word={texts.letBy} entry={one as Record<string, unknown>} />)}
    </Paper>
  );
}

function unescaped(query: string): string {
  try {
    return decodeURIComponent(query);
  } catch {
    return query;
  }
}
