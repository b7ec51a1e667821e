// The first minute: an example or nothing, a first endpoint, and two requests that meet the gate.
import { Button, Group, Paper, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api, data } from "../../api/client";
import { access } from "../../api/reads";
import { Heading } from "../../parts/Heading";
import { Check } from "../../parts/icons";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { PlanDialog, type Proposal } from "../../plan/PlanDialog";
import { useTexts } from "../../texts";
import { FirstEndpoint } from "./FirstEndpoint";
import { Watch } from "./Watch";
import classes from "./start.module.css";

export default function Start() {
  const texts = useTexts().start;
  const surface = useQuery(access);
  const [chosen, setChosen] = useState(false);
  const [made, setMade] = useState<string>();
  const [proposal, setProposal] = useState<Proposal>();
  if (surface.error) return <ProblemAlert error={surface.error} />;
  if (!surface.data) return <Loading />;
  const served = surface.data.surface.length;
  const begun = chosen || served > 0;
  return (
    <Stack gap="lg" maw={1000}>
      <Heading title={texts.title} lead={texts.lead} />
      <Part number={1} title={texts.begin} done={begun} note={served > 0 ? texts.beginDone(served) : undefined}>
        {begun ? null : <Beginnings propose={setProposal} empty={() => setChosen(true)} />}
      </Part>
      <Part number={2} title={texts.first} done={made !== undefined} note={made}>
        {begun && made === undefined ? <FirstEndpoint propose={setProposal} done={setMade} taken={surface.data.surface.map((one) => one.name)} /> : null}
      </Part>
      <Part number={3} title={texts.watch} done={false}>{made === undefined ? null : <Watch name={made} />}</Part>
      <PlanDialog proposal={proposal} close={() => setProposal(undefined)} />
    </Stack>
  );
}

function Part({ number, title, done, note, children }: { number: number; title: string; done: boolean; note?: string; children: ReactNode }) {
  return (
    <Paper className="card" p="lg" component="section" aria-label={title}>
      <Group gap="sm" mb={children ? "md" : 0}>
        <span className={classes.number} data-done={done}>{done ? <Check size={15} aria-hidden /> : number}</span>
        <Title order={2}>{title}</Title>
        {note ? <Text c="dimmed" size="sm">{note}</Text> : null}
      </Group>
      {children}
    </Paper>
  );
}

function Beginnings({ propose, empty }: { propose: (proposal: Proposal) => void; empty: () => void }) {
  const texts = useTexts().start;
  const examples = useQuery({ queryKey: ["examples"], queryFn: () => data(api.GET("/admin/v1/examples")), staleTime: Infinity });
  if (examples.error) return <ProblemAlert error={examples.error} />;
  if (!examples.data) return <Loading />;
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }}>
      <Choice title={texts.empty} about={texts.emptyLead} act={texts.emptyUse} choose={empty} />
      {examples.data.map((one) => (
        <Choice key={one.name} title={texts.example(one.name)} about={one.about} act={texts.use(one.name)}
          choose={() => propose({ call: { method: "PUT", path: "/config", yaml: one.document } })} />
      ))}
    </SimpleGrid>
  );
}

function Choice({ title, about, act, choose }: { title: string; about: string; act: string; choose: () => void }) {
  return (
    <div className={classes.choice}>
      <Text fw={600}>{title}</Text>
      <Text size="sm" c="dimmed" lineClamp={4}>{about}</Text>
      <Button variant="default" size="xs" onClick={choose}>{act}</Button>
    </div>
  );
}
