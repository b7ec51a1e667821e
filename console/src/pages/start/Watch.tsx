// One request from nobody and one from somebody, side by side, as they pass the gate or don't.
import { Alert, Button, Group, SimpleGrid, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { Link } from "react-router";
import { asJson } from "../../api/exact";
import { Play } from "../../parts/icons";
import { asSimulated } from "../../parts/PersonPicker";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { useReveal } from "../../trace/reveal";
import { type Simulated, simulate, STAGES } from "../../trace/trace";
import { TraceView } from "../../trace/TraceView";

export function Watch({ name }: { name: string }) {
  const texts = useTexts().start;
  const sending = useMutation({
    mutationFn: () =>
      Promise.all((["anonymous", "signedIn"] as const).map((kind) => simulate({ as: asSimulated({ kind }), method: "GET", path: `/api/${name}`, query: "", headers: {} }))),
  });
  const upTo = useReveal(sending.data, STAGES.length);
  const [nobody, somebody] = sending.data ?? [];
  return (
    <Stack>
      <Text size="sm" c="dimmed">{texts.watchLead}</Text>
      <Group><Button leftSection={<Play size={15} />} loading={sending.isPending} onClick={() => sending.mutate()}>{texts.watchAct}</Button></Group>
      {sending.error ? <ProblemAlert error={sending.error} /> : null}
      {nobody && somebody ? (
        <>
          <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xl">
            <One title={texts.nobody} run={nobody} upTo={upTo} />
            <One title={texts.somebody} run={somebody} upTo={upTo} />
          </SimpleGrid>
          <Text>{texts.done}</Text>
          <Group>
            <Button component={Link} to="/">{texts.toGate}</Button>
            <Button component={Link} to={`/endpoints/${name}`} variant="default">{texts.toEndpoint}</Button>
          </Group>
        </>
      ) : null}
    </Stack>
  );
}

function One({ title, run, upTo }: { title: string; run: Simulated; upTo: number }) {
  const texts = useTexts().run;
  const refusal = run.trace.find((one) => one.refusal !== undefined)?.refusal;
  return (
    <Stack gap="sm">
      <Text fw={600}>{title}</Text>
      <Alert p="xs" color={refusal ? "red" : "teal"} title={refusal ? texts.refused(run.status, refusal.code) : texts.answered(run.status)}>
        {refusal ? refusal.detail : <span className="mono">{asJson(run.body)}</span>}
      </Alert>
      <TraceView trace={run.trace} upTo={upTo} />
    </Stack>
  );
}
