// Policy tests: run, with what came of each, and coverage as a matrix of what is served and who may ask.
import { Alert, Badge, Button, Card, Center, Group, List, Paper, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, data, queries, type Schemas } from "../../api/client";
import { config } from "../../api/reads";
import { Play } from "../../parts/icons";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import type { Rule } from "../../trace/trace";
import { More } from "../../trace/TraceView";
import { Matrix } from "./Matrix";
import { lasted } from "./requests";

type Report = Schemas["ReportAnswer"];
type Result = Schemas["ResultAnswer"];
const LAST = ["definitions", "tests", "report"];

export default function Tests() {
  const texts = useTexts().why.tests;
  const { data: live, error } = useQuery(config);
  const { data: report } = useQuery<Report>({ queryKey: LAST, enabled: false, staleTime: Infinity });
  const running = useMutation({
    mutationFn: () => data(api.POST("/admin/v1/test")),
    onSuccess: (found) => queries.setQueryData(LAST, found),
  });
  if (error) return <ProblemAlert error={error} />;
  if (!live) return <Loading />;
  const count = live.document.tests?.length ?? 0;
  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed" maw={720}>{texts.lead}</Text>
      {count === 0 ? <None /> : (
        <>
          <Group>
            <Button leftSection={<Play size={15} />} loading={running.isPending} onClick={() => running.mutate()}>{texts.run}</Button>
            <div role="status">{running.isPending ? <Text size="sm">{texts.running}</Text> : report ? <Sum report={report} /> : null}</div>
          </Group>
          {running.error ? <ProblemAlert error={running.error} /> : null}
          {report ? <Results report={report} /> : null}
        </>
      )}
      <Matrix failed={new Set(report?.tests.filter((one) => !one.passed).map((one) => one.name))} />
      {report && report.coverage.rules.of > 0 ? <Rules rules={report.coverage.rules} /> : null}
    </Stack>
  );
}

function None() {
  const texts = useTexts().why.tests;
  return (
    <Card className="card" p="lg">
      <Center>
        <Stack align="center" maw={480}>
          <Title order={2}>{texts.none}</Title>
          <Text c="dimmed" ta="center">{texts.noneLead}</Text>
          <Button component={Link} to="/why/requests?which=refused">{texts.noneAct}</Button>
        </Stack>
      </Center>
    </Card>
  );
}

function Sum({ report }: { report: Report }) {
  const texts = useTexts().why.tests;
  return (
    <Group gap={6}>
      <Badge variant="light" color="teal">{texts.passed(report.passed)}</Badge>
      {report.failed > 0 ? <Badge variant="light" color="red">{texts.failed(report.failed)}</Badge> : null}
      <Text size="sm" c="dimmed">{texts.took(lasted(report.milliseconds))}</Text>
    </Group>
  );
}

/** Those that failed, each with why; the others by their names. */
function Results({ report }: { report: Report }) {
  const texts = useTexts().why.tests;
  const failed = report.tests.filter((one) => !one.passed);
  const passed = report.tests.filter((one) => one.passed);
  return (
    <Stack gap="xs" component="section" aria-label={texts.results}>
      {failed.map((one) => <Failed key={one.name} result={one} />)}
      {passed.length > 0 ? (
        <More label={texts.thosePassed}>
          <List size="sm" mt={4}>{passed.map((one) => <List.Item key={one.name}><span className="mono">{one.name}</span> <Text component="span" size="xs" c="dimmed">{one.status} · {lasted(one.milliseconds)}</Text></List.Item>)}</List>
        </More>
      ) : null}
    </Stack>
  );
}

function Failed({ result }: { result: Result }) {
  const { why } = useTexts();
  return (
    <Alert color="red" p="sm" title={<span className="mono">{result.name}</span>}>
      <Stack gap={6}>
        {result.failures.map((one, index) => (
          <Text key={index} size="sm"><span className="code">{one.place.replace(`${result.place}.`, "")}</span> {why.make.expected(one.expected, one.came)}</Text>
        ))}
        {result.let_by.map((one, index) => <Decision key={index} word={why.tests.letBy} entry={one} />)}
        {result.decided ? <Decision word={why.tests.decided} entry={result.decided} /> : null}
      </Stack>
    </Alert>
  );
}

/** A step or stage with its rules and what they saw. */
export function Decision({ word, entry }: { word: string; entry: Record<string, unknown> }) {
  const rules = (entry.rules ?? []) as Rule[];
  return (
    <div>
      <Text size="sm">{word} <span className="mono">{String(entry.step ?? entry.stage ?? "")}</span>{entry.place ? <Text component="span" size="xs" c="dimmed" className="mono"> {String(entry.place)}</Text> : null}</Text>
      {rules.map((rule, index) => (
        <div key={index}>
          <span className="code">{rule.text}</span>
          {Object.entries(rule.saw ?? {}).map(([name, value]) => <Text key={name} size="xs" className="mono" pl="sm">{name} = {JSON.stringify(value)}</Text>)}
        </div>
      ))}
    </div>
  );
}

function Rules({ rules }: { rules: Schemas["RuleCoverage"] }) {
  const texts = useTexts().why.tests;
  return (
    <Paper className="card" p="md" component="section" aria-label={texts.rules}>
      <Title order={3}>{texts.rules}</Title>
      {rules.untried.length === 0 ? <Text size="sm">{texts.allSeen}</Text> : (
        <>
          <Text size="sm" c="dimmed">{texts.rulesLead}</Text>
          <List size="sm" mt="xs">{rules.untried.map((one) => <List.Item key={`${one.name} ${one.value}`} className="mono">{texts.unseen(one.name, one.value)}</List.Item>)}</List>
        </>
      )}
    </Paper>
  );
}
