// The story of a request in words: who asked for what, what decided, what that saw, and where the time went.
import { Badge, Button, Group, Paper, Stack, Tabs, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { access, type SeenRequest, useMe } from "../../api/reads";
import { Pencil } from "../../parts/icons";
import { useTexts } from "../../texts";
import { remembered, type Rule } from "../../trace/trace";
import { TraceView } from "../../trace/TraceView";
import { Method, Path } from "../gate/LaneCard";
import { MakeTest } from "./MakeTest";
import { Replay } from "./Replay";
import { lasted, useCallerName, usePeople } from "./requests";
import classes from "./why.module.css";

const COLOURS = ["#6366f1", "#0891b2", "#0d9488", "#65a30d", "#d97706", "#dc2626", "#9333ea"];
const MOST = 0.5; // of the whole, from which a stage is told as where the time went

export function Story({ seen }: { seen: SeenRequest }) {
  const { why: texts, run } = useTexts();
  const { mayEdit } = useMe();
  const people = usePeople([seen]);
  return (
    <Stack gap="md" miw={0}>
      <Paper className="card" p="md" component="section" aria-label={texts.story.title}>
        <Group justify="space-between" align="flex-start" mb="sm" wrap="nowrap" gap="sm">
          <Title order={2} style={{ overflowWrap: "anywhere", minWidth: 0 }}><Method method={seen.method} /> <span className="mono"><Path path={seen.path} /></span></Title>
          <Badge size="lg" variant="light" color={seen.code ? "red" : "teal"} style={{ flex: "none" }}>{seen.status}</Badge>
        </Group>
        <Words seen={seen} people={people} />
        <Times seen={seen} />
        <Text size="xs" c="dimmed" className="mono" mt="sm">{seen.request_id}</Text>
      </Paper>
      <Tabs defaultValue="stages" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="stages">{texts.story.stages}</Tabs.Tab>
          <Tabs.Tab value="replay">{texts.replay.title}</Tabs.Tab>
          <Tabs.Tab value="test">{texts.make.title}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="stages" pt="md"><TraceView trace={remembered(seen)} /></Tabs.Panel>
        <Tabs.Panel value="replay" pt="md">{mayEdit ? <Replay seen={seen} people={people} /> : <Text size="sm" c="dimmed">{run.editorOnly}</Text>}</Tabs.Panel>
        <Tabs.Panel value="test" pt="md"><MakeTest seen={seen} /></Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

function Words({ seen, people }: { seen: SeenRequest; people: Map<string, string> }) {
  const { why, run } = useTexts();
  const texts = why.story;
  const named = useCallerName(people);
  const stage = run.stages[seen.stage ?? ""] ?? seen.stage ?? "";
  const step = seen.step as { step?: string; rules?: Rule[] } | undefined;
  const query = Object.entries(seen.query);
  const longest = [...seen.stages].sort((a, b) => b.milliseconds - a.milliseconds)[0];
  const isMost = longest !== undefined && longest.milliseconds > seen.milliseconds * MOST;
  const slowest = [...seen.steps].sort((a, b) => b.milliseconds - a.milliseconds)[0];
  return (
    <div className={classes.words}>
      <p style={{ margin: 0 }}>
        {texts.asked(named(seen.caller), new Date(seen.at).toLocaleString())}{" "}
        {seen.target ? <>{texts.found} <Target target={seen.target} />.</> : texts.nowhere}
      </p>
      {query.length > 0 ? <ul className={classes.saw}>{query.map(([name, value]) => <li key={name} className="mono">{name} = {String(value)}</li>)}</ul> : null}
      {seen.code ? (
        <div>
          {texts.refused(stage)}
          <div className={classes.quote}><b>{seen.status}</b> <span className="mono">{seen.code}</span><br />{seen.detail}</div>
        </div>
      ) : <span>{texts.answered(seen.status)}</span>}
      {(seen.errors ?? []).length > 0 ? (
        <div>{texts.fields}<ul className={classes.saw}>{seen.errors?.map((field, index) => <li key={index}><span className="code">{field.loc.filter((part) => part !== "body").join(".") || field.code}</span> {field.message}</li>)}</ul></div>
      ) : null}
      {step?.rules && step.rules.length > 0 ? <Rules kind={step.step ?? ""} rules={step.rules} /> : null}
      <p style={{ margin: 0 }}>
        {isMost ? texts.tookMost(lasted(seen.milliseconds), run.stages[longest.stage] ?? longest.stage, lasted(longest.milliseconds)) : texts.took(lasted(seen.milliseconds))}
        {slowest !== undefined && slowest.milliseconds > seen.milliseconds * MOST ? ` ${texts.slowStep(slowest.step, lasted(slowest.milliseconds))}` : ""}
      </p>
    </div>
  );
}

function Target({ target }: { target: string }) {
  const texts = useTexts().why.story;
  const { data: read } = useQuery(access);
  const isThere = read?.surface.some((one) => `${one.kind}s/${one.name}` === target);
  if (!isThere) return <span className="code">{target}</span>;
  return <Button component={Link} to={`/${target}`} size="compact-xs" variant="light" leftSection={<Pencil size={12} />} aria-label={`${texts.open}: ${target}`}>{target}</Button>;
}

function Rules({ kind, rules }: { kind: string; rules: Rule[] }) {
  const texts = useTexts().why.story;
  return (
    <div>
      {texts.step(kind)}
      {rules.map((rule, index) => {
        const saw = Object.entries(rule.saw);
        return (
          <div key={index} style={{ marginTop: 4 }}>
            <pre className="code" tabIndex={0}>{rule.text}</pre>
            <Text size="sm" mt={4}>{saw.length === 0 ? texts.sawNothing : texts.saw}</Text>
            <ul className={classes.saw}>{saw.map(([name, value]) => <li key={name} className="mono">{name} = {JSON.stringify(value)}</li>)}</ul>
          </div>
        );
      })}
    </div>
  );
}

/** The stages as parts of one bar, each as long as it took. */
function Times({ seen }: { seen: SeenRequest }) {
  const { why, run } = useTexts();
  if (seen.stages.length === 0) return null;
  return (
    <div style={{ marginTop: 12 }}>
      <div className={classes.bar} aria-hidden>
        {seen.stages.map((one, index) => <span key={one.stage} style={{ flexGrow: one.milliseconds, background: COLOURS[index % COLOURS.length] }} />)}
      </div>
      <ul className={classes.key} aria-label={why.story.times}>
        {seen.stages.map((one, index) => <li key={one.stage}><i style={{ background: COLOURS[index % COLOURS.length] }} aria-hidden />{run.stages[one.stage] ?? one.stage} {lasted(one.milliseconds)}</li>)}
      </ul>
    </div>
  );
}
