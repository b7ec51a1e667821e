// What waits in a queue, or was given up there: which of both is shown, with how many there are of each.
import { SegmentedControl, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTexts } from "../../texts";
import { queues, type Which } from "./reads";

type Props = { queue: "outbox" | "mail"; lead: string; which: Which; choose: (which: Which) => void; children: ReactNode };

export function Queue({ queue, lead, which, choose, children }: Props) {
  const texts = useTexts().operations;
  const { data: all } = useQuery(queues);
  const count = all?.[queue];
  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed">{lead}</Text>
      <div>
        <SegmentedControl aria-label={texts.which} value={which} onChange={(next) => choose(next as Which)}
          data={[{ value: "waiting", label: texts.waiting(count?.waiting ?? 0) }, { value: "dead", label: texts.dead(count?.dead ?? 0) }]} />
      </div>
      {children}
    </Stack>
  );
}
