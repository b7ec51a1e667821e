// The shadow: a draft beside what is live, with its counts, and where the two would have answered otherwise.
import { Badge, Button, Card, FileInput, Group, NumberInput, Paper, Select, SimpleGrid, Stack, Text, Title, Tooltip } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { api, call, data, queries, type Schemas } from "../../api/client";
import { isProblem } from "../../api/problem";
import { config, useMe } from "../../api/reads";
import { withDrafts } from "../../code/drafts";
import { Play } from "../../parts/icons";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import type { Entry } from "../../trace/trace";
import { More, TraceView } from "../../trace/TraceView";
import classes from "./why.module.css";

type Report = Schemas["ShadowAnswer"];
type Verdict = { status: number; code?: string; place?: string };
type Difference = { number: number; at: string; method: string; path: string; to: string; live: Verdict; draft: Verdict; differs: string[]; traces: { live: Entry[]; draft: Entry[] } };
const KEY = ["shadow"];
const COUNTS = ["compared", "differences", "undecided", "skipped"] as const;

export default function Shadow() {
  const texts = useTexts().why.shadow;
  const { mayEdit } = useMe();
  const { data: told, error, isPending } = useQuery({
    queryKey: KEY,
    queryFn: async () => {
      try {
        return await data(api.GET("/admin/v1/shadow"));
      } catch (refusal) {
        if (isProblem(refusal, "shadow.not_found")) return null;
        throw refusal;
      }
    },
    enabled: mayEdit,
    refetchInterval: ({ state }) => (state.data?.state === "running" ? 2_000 : false),
  });
  if (!mayEdit) return <Text size="sm" c="dimmed">{texts.editorOnly}</Text>;
  if (error && told === undefined) return <ProblemAlert error={error} />;
  if (isPending) return <Loading />;
  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed" maw={720}>{texts.lead}</Text>
      {told?.state === "running" ? null : <Start />}
      {told ? <Told report={told} /> : null}
    </Stack>
  );
}

function Start() {
  const texts = useTexts().why.shadow;
  const { data: live } = useQuery(config);
  const [sample, setSample] = useState<number | string>(100);
  const [minutes, setMinutes] = useState<number | string>(60);
  const [chosen, setChosen] = useState<string | null>(null);
  const [file, setFile] = useState<File | null>(null);
  const drafts = useMemo(() => (live ? withDrafts(live.document) : undefined), [live]);
  const from = chosen ?? (drafts !== undefined && drafts.count > 0 ? "drafts" : "file");
  const starting = useMutation({
    mutationFn: async () => {
      const said = from === "drafts" ? { body: drafts?.document } : { yaml: (await file?.text()) ?? "" };
      await call({ method: "POST", path: "/shadow", query: { sample: Number(sample) / 100, minutes: Number(minutes) }, ...said });
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: KEY }),
  });
  if (drafts === undefined) return <Loading />;
  return (
    <Card className="card" p="md">
      <Title order={2}>{texts.none}</Title>
      {drafts.count === 0 ? <Text size="sm" c="dimmed" mb="sm">{texts.noneLead}</Text> : null}
      <form onSubmit={(event) => { event.preventDefault(); starting.mutate(); }}>
        <Stack gap="sm">
          <div className={classes.filters}>
            <Select label={texts.draft} value={from} onChange={setChosen} allowDeselect={false}
              data={[...(drafts.count > 0 ? [{ value: "drafts", label: texts.drafts(drafts.count) }] : []), { value: "file", label: texts.file }]} />
            {from === "file" ? <FileInput label={texts.file} placeholder={texts.pickFile} accept=".yaml,.yml,.json" value={file} onChange={setFile} /> : null}
            <NumberInput label={texts.sample} min={0} max={100} value={sample} onChange={setSample} hideControls />
            <NumberInput label={texts.minutes} min={1} max={1440} value={minutes} onChange={setMinutes} hideControls />
            <Button type="submit" leftSection={<Play size={15} />} loading={starting.isPending} disabled={from === "file" && file === null}>{texts.start}</Button>
          </div>
          {starting.error ? <ProblemAlert error={starting.error} /> : null}
        </Stack>
      </form>
    </Card>
  );
}

function Told({ report }: { report: Report }) {
  const { why } = useTexts();
  const texts = why.shadow;
  const isRunning = report.state === "running";
  const ending = useMutation({
    mutationFn: () => data(api.DELETE("/admin/v1/shadow")),
    onSuccess: (last) => queries.setQueryData(KEY, last),
  });
  const kept = report.kept as unknown as Difference[];
  const ways = Object.entries(report.by).sort((a, b) => b[1] - a[1]);
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Group gap="xs">
          <Badge variant="light" color={isRunning ? "teal" : "gray"}>{isRunning ? texts.running : texts.ended}</Badge>
          <Text size="sm">{texts.since(new Date(report.started_at).toLocaleString(), report.sample.toLocaleString(undefined, { style: "percent" }))}{report.ended ? ` · ${report.ended}` : ""}</Text>
        </Group>
        {isRunning ? <Button size="xs" variant="default" loading={ending.isPending} onClick={() => ending.mutate()}>{texts.end}</Button> : null}
      </Group>
      {ending.error ? <ProblemAlert error={ending.error} /> : null}
      <dl className={classes.tiles} aria-live="polite">
        {COUNTS.map((one) => (
          <Tooltip key={one} label={texts.about[one]}>
            <div className={classes.tile} data-alert={one === "differences" && report.differences > 0}><dt>{texts.counts[one]}</dt><dd>{report[one].toLocaleString()}</dd></div>
          </Tooltip>
        ))}
      </dl>
      {ways.length === 0 ? <Text size="sm">{texts.noDifference}</Text> : (
        <Paper className="card" p="md" component="section" aria-label={texts.by}>
          <Title order={2} size="h3" mb={6}>{texts.by}</Title>
          <Stack gap={4}>{ways.map(([way, count]) => <Group key={way} justify="space-between" wrap="nowrap"><span className="mono">{way}</span><Badge variant="light" color="red" style={{ flex: "none" }}>{count}</Badge></Group>)}</Stack>
        </Paper>
      )}
      {kept.length > 0 ? (
        <Stack gap="xs" component="section" aria-label={texts.kept}>
          <Title order={2} size="h3">{texts.kept}</Title>
          {[...kept].reverse().map((one) => <Differs key={one.number} one={one} />)}
        </Stack>
      ) : null}
    </Stack>
  );
}

function Differs({ one }: { one: Difference }) {
  const texts = useTexts().why.shadow;
  const said = (verdict: Verdict) => `${verdict.status}${verdict.code ? ` ${verdict.code}` : ""}`;
  return (
    <Paper className="card" p="sm">
      <Group gap="xs">
        <span className="mono">{one.method} {one.path}</span>
        <Badge variant="light" color={one.live.code ? "red" : "teal"}>{texts.live}: {said(one.live)}</Badge>
        <Badge variant="light" color={one.draft.code ? "red" : "teal"}>{texts.asDraft}: {said(one.draft)}</Badge>
        <Text size="xs" c="dimmed">{texts.in(one.differs.join(", "))} · {new Date(one.at).toLocaleTimeString()}</Text>
      </Group>
      <More label={`${texts.live} / ${texts.asDraft}`}>
        <SimpleGrid cols={{ base: 1, md: 2 }} mt="xs">
          {(["live", "draft"] as const).map((side) => <div key={side}><Text size="sm" fw={600} mb={4}>{side === "live" ? texts.live : texts.asDraft}</Text><TraceView trace={one.traces[side]} /></div>)}
        </SimpleGrid>
      </More>
    </Paper>
  );
}
