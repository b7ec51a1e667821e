// Recent requests, the newest first; one that is chosen is shown on its lane.
import { Badge, Group, Stack, Text, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { requests, type SeenRequest } from "../../api/reads";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { type Lane, laneOf } from "./lanes";
import classes from "./gate.module.css";

const SHOWN = 100;

export function Recent({ show, lanes }: { show: (request: SeenRequest) => void; lanes: Lane[] }) {
  const texts = useTexts().gate;
  const { data: seen, error } = useQuery(requests);
  if (error) return <ProblemAlert error={error} />;
  if (!seen) return <Loading />;
  return (
    <Stack gap={6}>
      <Text size="sm" c="dimmed">{texts.recentLead}</Text>
      {seen.length === 0 ? <Text size="sm">{texts.recentEmpty}</Text> : null}
      {seen.slice(0, SHOWN).map((one) => (
        <UnstyledButton key={one.request_id} className={classes.recent} onClick={() => show(one)} disabled={laneOf(lanes, one) === undefined}>
          <Group justify="space-between" wrap="nowrap" gap="xs">
            <Text size="sm" className="mono" truncate>{one.method} {one.path}</Text>
            <Badge variant="light" color={one.code ? "red" : "teal"}>{one.status}</Badge>
          </Group>
          <Text size="xs" c="dimmed">
            {new Date(one.at).toLocaleTimeString()} · {one.caller?.kind ?? "?"}{one.stage && one.code ? ` · ${texts.refusedAt(one.stage)}` : ""}{one.code ? ` · ${one.code}` : ""}
          </Text>
        </UnstyledButton>
      ))}
    </Stack>
  );
}
