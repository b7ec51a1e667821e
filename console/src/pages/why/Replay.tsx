// Sends a request that came once more, on what is live or on drafts, and holds what comes against what came.
import { Alert, Badge, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { access, config, type SeenRequest } from "../../api/reads";
import { withDrafts } from "../../code/drafts";
import { exampleOf } from "../../parts/examples";
import type { Person } from "../../parts/PersonPicker";
import { useTexts } from "../../texts";
import { RunPanel } from "../../trace/RunPanel";
import type { Simulated } from "../../trace/trace";
import classes from "./why.module.css";

export function Replay({ seen, people }: { seen: SeenRequest; people: Map<string, string> }) {
  const { why, run } = useTexts();
  const texts = why.replay;
  const { data: live } = useQuery(config);
  const { data: read } = useQuery(access);
  const [on, setOn] = useState("live");
  const [came, setCame] = useState<Simulated>();
  const drafts = useMemo(() => (live ? withDrafts(live.document) : undefined), [live]);
  if (live === undefined || read === undefined || drafts === undefined) return null;
  const [kind, name] = (seen.target ?? "").split("/");
  const endpoint = kind === "endpoints" ? live.document.endpoints?.find((one) => one.name === name) : undefined;
  const query = new URLSearchParams(Object.entries(seen.query).map(([key, value]) => [key, String(value)])).toString();
  const body = endpoint === undefined ? {} : exampleOf(endpoint.input?.body);
  const refusal = came?.trace.find((one) => one.refusal !== undefined)?.refusal;
  const isSame = came !== undefined && came.status === seen.status && (refusal?.code ?? "") === (seen.code ?? "");
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">{texts.lead}</Text>
      {seen.caller?.kind === "key" ? <Text size="sm">{texts.key}</Text> : null}
      {JSON.stringify([seen.path, seen.query]).includes("[redacted]") ? <Text size="sm">{texts.redacted}</Text> : null}
      {drafts.count > 0 ? (
        <Group gap="xs">
          <Text size="sm" id="replay-on">{texts.on}</Text>
          <SegmentedControl size="xs" aria-labelledby="replay-on" value={on} onChange={setOn} data={[{ value: "live", label: texts.live }, { value: "drafts", label: texts.drafts(drafts.count) }]} />
        </Group>
      ) : null}
      <div aria-live="polite">
        {came ? (
          <Alert p="sm" color={isSame ? "gray" : "yellow"} title={isSame ? texts.same : texts.differs}>
            <div className={classes.compare}>
              <Text size="sm">{texts.then}</Text><Answer status={seen.status} code={seen.code ?? ""} said={run} />
              <Text size="sm">{texts.now}</Text><Answer status={came.status} code={refusal?.code ?? ""} said={run} />
            </div>
          </Alert>
        ) : null}
      </div>
      <RunPanel key={seen.request_id} asked={{ methods: [seen.method], path: seen.path, query, body }} person={personOf(seen, people)}
        isNarrow draft={on === "drafts" ? drafts.document : undefined} onRun={(ran) => setCame(ran)} />
    </Stack>
  );
}

type Said = { refused: (status: number, code: string) => string; answered: (status: number) => string };

function Answer({ status, code, said }: { status: number; code: string; said: Said }) {
  return <Badge variant="light" color={code ? "red" : "teal"}>{code ? said.refused(status, code) : said.answered(status)}</Badge>;
}

function personOf({ caller }: SeenRequest, people: Map<string, string>): Person {
  if (caller === null || caller.kind === "anonymous") return { kind: "anonymous" };
  if (caller.kind === "user" && caller.id !== null) return { kind: "user", id: caller.id, email: people.get(caller.id) ?? caller.id, roles: caller.roles };
  const [role] = caller.roles;
  return role === undefined ? { kind: "signedIn" } : { kind: "role", role };
}
