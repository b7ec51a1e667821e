// Health, figures and charts of all processes together, the limits that were hit, and the processes one by one.
import { Badge, Paper, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { Bars } from "./Bars";
import { Instances } from "./Instances";
import classes from "./operations.module.css";
import { colour, healthOfAll, instances, limitsOf, queues, together } from "./reads";

export function Overview() {
  const texts = useTexts().operations;
  const { data: all, error } = useQuery(instances);
  const { data: queued } = useQuery(queues);
  if (error && !all) return <ProblemAlert error={error} />;
  if (!all) return <Loading />;
  const minutes = together(all);
  const sum = (name: "answered" | "refused" | "failed") => minutes.reduce((before, one) => before + one[name], 0);
  const pools = all.flatMap(({ pool, silent }) => (pool && !silent ? [pool] : []));
  const of = (name: "size" | "used" | "waiting") => pools.reduce((before, one) => before + one[name], 0);
  const peak = Math.max(...minutes.map((one) => one.peak), of("used"));
  const asked = sum("answered") + sum("refused") + sum("failed");
  const health = healthOfAll(all);
  const at = minutes.map((one) => one.at);
  return (
    <Stack gap="md">
      <SimpleGrid cols={{ base: 2, md: 4 }} spacing="md">
        <Tile title={texts.health} lead={texts.healthLead[health]}><Badge size="lg" variant="light" color={colour[health]}>{texts.status[health]}</Badge></Tile>
        <Tile title={texts.requests} lead={texts.requestsLead(sum("refused"), sum("failed"))}>{asked.toLocaleString()}</Tile>
        <Tile title={texts.connections} lead={texts.connectionsLead(peak, of("waiting"))}>{texts.connectionsOf(of("used"), of("size"))}</Tile>
        <Tile title={texts.queued} lead={queued ? texts.queuedLead(queued.outbox.dead + queued.mail.dead) : ""}>{queued ? (queued.outbox.waiting + queued.mail.waiting).toLocaleString() : "…"}</Tile>
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        {asked === 0 ? <Paper className="card" p="md"><Title order={2} fz="sm">{texts.chartRequests}</Title><Text size="sm" c="dimmed" mt="xs">{texts.quiet}</Text></Paper> : (
          <Bars title={texts.chartRequests} at={at} parts={[
            { name: texts.answered, look: "open", of: minutes.map((one) => one.answered) },
            { name: texts.refused, look: "wait", of: minutes.map((one) => one.refused) },
            { name: texts.failed, look: "shut", of: minutes.map((one) => one.failed) },
          ]} />
        )}
        <Bars title={texts.chartConnections} at={at} most={of("size")} mostLabel={texts.ofSize(of("size"))} parts={[{ name: texts.inUse, look: "plain", of: minutes.map((one) => one.peak) }]} />
      </SimpleGrid>
      <Limits limits={limitsOf(all)} />
      <Instances all={all} />
    </Stack>
  );
}

function Tile({ title, lead, children }: { title: string; lead: string; children: ReactNode }) {
  return (
    <Paper className="card" p="md" component="section" aria-label={title}>
      <Text size="sm" c="dimmed">{title}</Text>
      <div className={classes.figure}>{children}</div>
      <Text size="xs" c="dimmed">{lead}</Text>
    </Paper>
  );
}

function Limits({ limits }: { limits: { what: string; count: number }[] }) {
  const texts = useTexts().operations;
  const most = limits[0]?.count ?? 1;
  return (
    <Paper className="card" p="md" component="section" aria-label={texts.limits}>
      <Title order={2} fz="sm">{texts.limits}</Title>
      {limits.length === 0 ? <Text size="sm" c="dimmed" mt={4}>{texts.noLimits}</Text> : (
        <Stack gap={8} mt={4}>
          <Text size="sm" c="dimmed">{texts.limitsLead}</Text>
          {limits.slice(0, 12).map(({ what, count }) => (
            <SimpleGrid key={what} cols={{ base: 1, sm: 2 }} spacing="md" verticalSpacing={2} style={{ alignItems: "center" }}>
              <Text size="sm">{/^(endpoints|views)\/./.test(what) ? <Link to={`/${what}`} className="code">{what}</Link> : <span className="code">{what}</span>} <Text span size="sm" c="dimmed">{texts.times(count)}</Text></Text>
              <div className={classes.share} aria-hidden><div style={{ width: `${(100 * count) / most}%` }} /></div>
            </SimpleGrid>
          ))}
        </Stack>
      )}
    </Paper>
  );
}
