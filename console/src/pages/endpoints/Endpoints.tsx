// Endpoints: what each takes, asks and does, changed by form or YAML, tried at once as anyone.
import { Paper, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import { config, type Document } from "../../api/reads";
import { Browse } from "../../code/Browse";
import { DefinitionEditor } from "../../code/DefinitionEditor";
import type { Definition } from "../../code/places";
import { exampleOf } from "../../parts/examples";
import { useTexts } from "../../texts";
import { RunPanel } from "../../trace/RunPanel";

const FRESH = { name: "new_endpoint", method: "GET", path: "/new", access: "authenticated", steps: [{ do: "respond", body: { hello: "=auth.user.email" } }] };

export default function Endpoints() {
  const texts = useTexts().editor;
  const { name } = useParams();
  const { data: read } = useQuery(config);
  const names = (read?.document.endpoints ?? []).map((one) => ({ name: one.name, about: `${one.method} ${one.path}` }));
  return (
    <Browse section="endpoints" title={texts.endpoints} lead={texts.endpointsLead} names={names} open={name}>
      {name === undefined ? <Text c="dimmed">{texts.pick}</Text> : (
        <DefinitionEditor section="endpoints" name={name === "+" ? undefined : name} fresh={FRESH} beneath={(definition, draft) => <Try definition={definition} draft={draft} />} />
      )}
    </Browse>
  );
}

function Try({ definition, draft }: { definition: Definition; draft: Document }) {
  const texts = useTexts().editor;
  const input = definition.input as { body?: unknown } | undefined;
  const method = String(definition.method ?? "GET");
  const asked = { methods: [method], path: `/api${String(definition.path ?? "")}`, name: definition.name, body: exampleOf(input?.body) };
  return (
    <Paper className="card" p="md" component="section" aria-label={texts.tryIt}>
      <Title order={3}>{texts.tryIt}</Title>
      <Text size="sm" c="dimmed" mb="sm">{texts.tryLead}</Text>
      <RunPanel key={`${definition.name} ${method} ${asked.path}`} asked={asked} draft={draft} />
    </Paper>
  );
}
