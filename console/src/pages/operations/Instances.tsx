// The processes that serve this database, with what each serves and when it last said so.
import { Badge, Stack, Text, Title } from "@mantine/core";
import { useTexts } from "../../texts";
import { Listing, moment } from "../people/Listing";
import { colour, healthOf, type Instance } from "./reads";

export function Instances({ all }: { all: Instance[] }) {
  const texts = useTexts().operations;
  const newest = Math.max(...all.map((one) => one.revision ?? 0));
  return (
    <Stack gap="xs">
      <div>
        <Title order={2} fz="sm">{texts.instances}</Title>
        <Text size="sm" c="dimmed">{texts.instancesLead}</Text>
      </div>
      <Listing label={texts.instances} empty="" heads={[texts.process, texts.state, texts.version, texts.serves, texts.connections, texts.since, texts.told]}
        rows={all.map((one) => ({
          key: one.id,
          cells: [
            <Text key="process" size="sm"><span className="mono">{one.host} · {one.process}</span>{one.here ? <Badge ml={8} size="sm" variant="light">{texts.here}</Badge> : null}</Text>,
            <State key="state" one={one} />,
            <span key="version" className="mono">{one.version}</span>,
            <Text key="serves" size="sm" style={{ whiteSpace: "nowrap" }}>{one.revision ? texts.revision(one.revision) : texts.none}{one.revision && one.revision < newest && !one.silent ? <Badge ml={8} size="sm" variant="light" color="yellow">{texts.behind}</Badge> : null}</Text>,
            one.pool && !one.silent ? texts.connectionsOf(one.pool.used, one.pool.size) : "",
            moment(one.started_at), <Ago key="told" at={one.seen_at} />,
          ],
        }))} />
    </Stack>
  );
}

function State({ one }: { one: Instance }) {
  const texts = useTexts().operations;
  const health = healthOf(one);
  const lacks = Object.entries(one.checks ?? {}).filter(([, holds]) => !holds).map(([name]) => texts.checks[name] ?? name);
  return (
    <Stack gap={2}>
      <div><Badge variant="light" color={colour[health]}>{texts.status[health]}</Badge></div>
      {lacks.length > 0 && !one.silent ? <Text size="xs">{texts.lacks(lacks.join(", "))}</Text> : null}
      {one.broken && one.broken.length > 0 ? <Text size="xs" className="mono">{texts.broken(one.broken.join(", "))}</Text> : null}
    </Stack>
  );
}

export function Ago({ at }: { at: string }) {
  const texts = useTexts().operations.ago;
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(at)) / 1000));
  const text = seconds < 2 ? texts.now : seconds < 120 ? texts.seconds(seconds) : seconds < 7200 ? texts.minutes(Math.round(seconds / 60)) : texts.hours(Math.round(seconds / 3600));
  return <time dateTime={at} title={moment(at)} style={{ whiteSpace: "nowrap" }}>{text}</time>;
}
