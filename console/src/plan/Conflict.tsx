// Two admins at once: the second sees what the first has changed, and plans the own edit again on top of it.
import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, data } from "../api/client";
import { changed } from "../api/reads";
import { AlertTriangle } from "../parts/icons";
import { useTexts } from "../texts";
import { Lines, type Proposal, Section } from "./PlanDialog";

export function Conflict({ proposal, close }: { proposal: Proposal; close: () => void }) {
  const texts = useTexts();
  const made = Number(/\d+/.exec(proposal.call.ifMatch ?? "")?.[0] ?? 0);
  const { data: since } = useQuery({
    queryKey: ["definitions", "since", made],
    queryFn: async () => {
      const all = await data(api.GET("/admin/v1/revisions", { params: { query: { limit: 20 } } }));
      return all.filter((one) => one.number > made);
    },
  });
  const again = async () => {
    await changed();
    close();
    proposal.again?.();
  };
  return (
    <Stack>
      <Alert color="orange" icon={<AlertTriangle size={18} />} title={texts.plan.conflictTitle} role="alert">{texts.plan.conflict}</Alert>
      <Section title={texts.plan.conflictTheirs}>
        <Stack gap="sm">
          {since?.map((one) => (
            <div key={one.number}>
              <Text size="sm" fw={600}>{texts.plan.revision(one.number)} · {one.author}{one.comment ? ` · ${one.comment}` : ""}</Text>
              <Lines lines={one.changes} />
            </div>
          ))}
        </Stack>
      </Section>
      <Group justify="flex-end">
        <Button variant="default" onClick={close}>{texts.act.cancel}</Button>
        <Button onClick={() => void again()}>{texts.plan.rebase}</Button>
      </Group>
    </Stack>
  );
}
