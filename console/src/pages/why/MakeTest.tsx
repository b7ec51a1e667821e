// Makes a policy test of a request, which is run at once, and adds it to the tests of the backend.
import { Alert, Button, CopyButton, Group, JsonInput, List, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { config, type SeenRequest, useMe } from "../../api/reads";
import { Check, Copy, Plus } from "../../parts/icons";
import { ProblemAlert } from "../../parts/Problem";
import { PlanDialog, type Proposal } from "../../plan/PlanDialog";
import { useTexts } from "../../texts";

export function MakeTest({ seen }: { seen: SeenRequest }) {
  const { why, run } = useTexts();
  const texts = why.make;
  const hasBody = !["GET", "HEAD", "DELETE"].includes(seen.method);
  const [body, setBody] = useState("");
  const sent = body.trim() === "" ? undefined : parsed(body);
  const isBad = body.trim() !== "" && sent === undefined;
  const making = useMutation({
    mutationFn: () => data(api.POST("/admin/v1/requests/{request_id}/test", {
      params: { path: { request_id: seen.request_id } }, body: sent === undefined ? {} : { body: sent },
    })),
  });
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">{texts.lead}</Text>
      {hasBody ? <JsonInput label={texts.body} value={body} onChange={setBody} autosize minRows={3} maxRows={12} error={isBad ? run.badJson : undefined} /> : null}
      <Group><Button leftSection={<Plus size={15} />} loading={making.isPending} disabled={isBad} onClick={() => making.mutate()}>{texts.act}</Button></Group>
      <div aria-live="polite">
        {making.error ? <ProblemAlert error={making.error} /> : null}
        {making.data ? <Made key={making.data.yaml} made={making.data} /> : null}
      </div>
    </Stack>
  );
}

function Made({ made }: { made: Schemas["MadeTest"] }) {
  const { why, act } = useTexts();
  const texts = why.make;
  const { mayEdit } = useMe();
  const { data: live } = useQuery(config);
  const [name, setName] = useState(String(made.test.name));
  const [proposal, setProposal] = useState<Proposal>();
  const passes = made.result?.passed === true;
  const add = () => setProposal({ call: { method: "POST", path: "/tests", body: { ...made.test, name }, ifMatch: live?.etag ?? "*" } });
  return (
    <Stack gap="sm">
      <Alert p="xs" color={passes ? "teal" : "yellow"} title={passes ? texts.passes : texts.fails}>
        {passes ? null : (
          <List size="sm">
            {made.findings.map((one, index) => <List.Item key={`finding ${index}`}><span className="code">{one.place}</span> {one.message}</List.Item>)}
            {made.result?.failures.map((one, index) => <List.Item key={index}><span className="code">{one.place}</span> {texts.expected(one.expected, one.came)}</List.Item>)}
          </List>
        )}
      </Alert>
      <pre className="code" tabIndex={0} aria-label={texts.yaml}>{made.yaml}</pre>
      <Group align="flex-end" gap="xs">
        {mayEdit ? <TextInput size="xs" label={texts.name} value={name} w={300} maw="100%" onChange={(event) => setName(event.currentTarget.value)} /> : null}
        {mayEdit ? <Button size="xs" onClick={add}>{texts.add}</Button> : null}
        <CopyButton value={made.yaml}>
          {({ copied, copy }) => <Button size="xs" variant="default" leftSection={copied ? <Check size={14} /> : <Copy size={14} />} onClick={copy}>{copied ? act.copied : act.copy}</Button>}
        </CopyButton>
      </Group>
      <PlanDialog proposal={proposal} close={() => setProposal(undefined)} />
    </Stack>
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
