// One lane: its four stations, lit up for a person or by a run, and beneath them a request to send.
import { Badge, Button, Code, Group, Stack, Text, UnstyledButton } from "@mantine/core";
import { Fragment, memo, useState } from "react";
import { Link } from "react-router";
import type { SeenRequest } from "../../api/reads";
import { AlertTriangle, ChevronRight, Database, Filter, Lock, LockOpen, Pencil, User, Users, World } from "../../parts/icons";
import { isLetIn, type Person } from "../../parts/PersonPicker";
import { useTexts } from "../../texts";
import { RunPanel } from "../../trace/RunPanel";
import { type Entry, remembered, type Simulated } from "../../trace/trace";
import { TraceView } from "../../trace/TraceView";
import type { Lane } from "./lanes";
import classes from "./gate.module.css";

const STATIONS = ["interface", "access", "middleware", "endpoint"] as const;
type Station = (typeof STATIONS)[number];
type Light = "idle" | "open" | "maybe" | "stop" | "off";
const OF_STAGE: Record<string, Station> = {
  accept: "interface", authenticate: "access", authorize: "access", bind: "middleware", chain: "middleware", execute: "endpoint", respond: "endpoint",
};

type Props = { lane: Lane; person: Person | undefined; opened: boolean; seen: SeenRequest | undefined; toggle: (key: string) => void };

/** It is the same while what it is given is: of thousands, each that comes into sight is made once. */
export const LaneCard = memo(function LaneCard({ lane, person, opened, seen, toggle }: Props) {
  const texts = useTexts().gate;
  const [run, setRun] = useState<{ run: Simulated; upTo: number }>();
  const lights = seen ? ofTrace(remembered(seen)) : opened && run ? ofTrace(run.run.trace.slice(0, run.upTo)) : ofPerson(lane, person);
  return (
    <div className={classes.card} data-opened={opened} data-shut={lights.access === "stop" && !opened}>
      <UnstyledButton className={classes.lane} onClick={() => toggle(lane.key)} aria-expanded={opened}>
        <Cell station="interface" light={lights.interface}>
          <Group gap={6} wrap="nowrap" miw={0} className={classes.chip}>
            <ChevronRight size={14} className={classes.turn} data-opened={opened} aria-hidden />
            {lane.methodsShown.map((method) => <Method key={method} method={method} />)}
            <Text component="span" className={`mono ${classes.path}`}><Path path={lane.path} /></Text>
          </Group>
        </Cell>
        <Cell station="access" light={lights.access}><AccessPill lane={lane} light={lights.access} /></Cell>
        <Cell station="middleware" light={lights.middleware}>
          <Group gap={4}>
            {lane.through.length === 0 ? <Text component="span" size="xs" c="dimmed" className={classes.chip}>{texts.noMiddleware}</Text> : null}
            {lane.through.map((one, index) => (
              <span key={index} className={`${classes.chip} ${classes.box}`} title={[one.about, one.does.join(" → ")].filter(Boolean).join("\n")}>{one.name}</span>
            ))}
          </Group>
        </Cell>
        <Cell station="endpoint" light={lights.endpoint}><Does lane={lane} /></Cell>
        {lane.findings.length > 0 ? (
          <Badge className={classes.doubt} size="sm" variant="light" color="orange" leftSection={<AlertTriangle size={11} aria-hidden />}
            title={lane.findings.map((one) => one.message).join("\n")}>{texts.findings(lane.findings.length)}</Badge>
        ) : null}
      </UnstyledButton>
      {opened ? (
          <div className={classes.detail}>
            <Detail lane={lane} />
            {seen ? <Seen seen={seen} /> : <RunPanel asked={lane.asked} person={person} onRun={(ran, upTo) => setRun(ran && { run: ran, upTo })} />}
          </div>
      ) : null}
    </div>
  );
});

function Cell({ station, light, children }: { station: Station; light: Light; children: React.ReactNode }) {
  const texts = useTexts().gate.columns;
  return (
    <span className={classes.cell} data-light={light}>
      <span className="sr">{texts[station]}: </span>
      {children}
    </span>
  );
}

/** A path that breaks at its slashes. */
export function Path({ path }: { path: string }) {
  return path.split("/").slice(1).map((part, index) => <Fragment key={index}><wbr />/{part}</Fragment>);
}

export function Method({ method }: { method: string }) {
  return <span className={classes.method} data-method={method}>{method}</span>;
}

function AccessPill({ lane, light }: { lane: Lane; light: Light }) {
  const texts = useTexts();
  const { access } = lane;
  const label = typeof access === "string" ? texts.access[access] : texts.access.roles(access);
  const Icon = access === "public" ? World : access === "authenticated" ? User : Users;
  return (
    <span className={`${classes.chip} ${classes.pill}`} data-light={light}>
      {light === "stop" ? <Lock size={14} aria-hidden /> : light === "idle" ? <Icon size={14} aria-hidden /> : <LockOpen size={14} aria-hidden />}
      <span>{label}</span>
      {light === "stop" ? <span className="sr">{texts.gate.stopped}</span> : light === "open" ? <span className="sr">{texts.gate.through}</span> : null}
    </span>
  );
}

function Does({ lane }: { lane: Lane }) {
  const texts = useTexts().gate;
  if (lane.kind === "view") {
    return (
      <Group gap={4} miw={0}>
        <span className={`${classes.chip} ${classes.box}`}><Database size={12} aria-hidden /> {lane.table}</span>
        {lane.filter ? (
          <span className={`${classes.chip} ${classes.box} ${classes.filter}`}><Filter size={12} aria-hidden /> <span className="mono">{lane.filter}</span></span>
        ) : <Text component="span" size="xs" c="dimmed" className={classes.chip}>{texts.allRows}</Text>}
      </Group>
    );
  }
  const shown = lane.steps.slice(0, 3);
  return (
    <Group gap={4} miw={0}>
      {shown.map((one, index) => <span key={index} className={`${classes.chip} ${classes.box} mono`}>{one}</span>)}
      {lane.steps.length > shown.length ? <Text component="span" size="xs" c="dimmed" className={classes.chip}>+{lane.steps.length - shown.length}</Text> : null}
    </Group>
  );
}

function Detail({ lane }: { lane: Lane }) {
  const texts = useTexts().gate;
  return (
    <Group justify="space-between" align="flex-start" mb="md">
      <Stack gap={4} maw={720}>
        <Text fw={600}>{lane.name}</Text>
        {lane.about ? <Text size="sm" c="dimmed">{lane.about}</Text> : null}
        {lane.findings.map((one, index) => (
          <Text key={index} size="sm"><Code>{one.code}</Code> {one.message}{one.hint ? <Text component="span" size="sm" c="dimmed"> {one.hint}</Text> : null}</Text>
        ))}
      </Stack>
      <Button component={Link} to={`/${lane.kind}s/${lane.name}`} variant="default" size="xs" leftSection={<Pencil size={14} />}>{texts.edit}</Button>
    </Group>
  );
}

function Seen({ seen }: { seen: SeenRequest }) {
  const texts = useTexts();
  return (
    <Stack gap="sm" maw={720}>
      <Text size="sm">
        <span className="mono">{seen.method} {seen.path}</span> · {new Date(seen.at).toLocaleString()} ·{" "}
        <Badge variant="light" color={seen.code ? "red" : "teal"}>{seen.code ? texts.run.refused(seen.status, seen.code) : texts.run.answered(seen.status)}</Badge>
      </Text>
      <TraceView trace={remembered(seen)} />
    </Stack>
  );
}

function ofPerson(lane: Lane, person: Person | undefined): Record<Station, Light> {
  if (person === undefined) return { interface: "idle", access: "idle", middleware: "idle", endpoint: "idle" };
  if (!isLetIn(person, lane.access)) return { interface: "open", access: "stop", middleware: "off", endpoint: "off" };
  const after = lane.through.length > 0 ? "maybe" : "open";
  return { interface: "open", access: "open", middleware: after, endpoint: after };
}

function ofTrace(trace: Entry[]): Record<Station, Light> {
  const lights: Record<Station, Light> = { interface: "off", access: "off", middleware: "off", endpoint: "off" };
  for (const entry of trace) {
    const station = OF_STAGE[entry.stage ?? ""];
    if (station !== undefined && lights[station] !== "stop") lights[station] = entry.decision === "refused" ? "stop" : "open";
  }
  return lights;
}
