// Middleware: the steps that run before endpoints and views, and who uses them.
import { Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { access, config } from "../../api/reads";
import { Browse } from "../../code/Browse";
import { DefinitionEditor } from "../../code/DefinitionEditor";
import { useTexts } from "../../texts";

const FRESH = { name: "new_check", steps: [{ do: "require", that: "auth.signed_in", status: 403, message: "Sign in first." }] };

export default function Middleware() {
  const texts = useTexts().editor;
  const { name } = useParams();
  const { data: read } = useQuery(config);
  const names = (read?.document.middleware ?? []).map((one) => ({ name: one.name, about: one.description ?? "" }));
  return (
    <Browse section="middleware" title={texts.middleware} lead={texts.middlewareLead} names={names} open={name}>
      {name === undefined ? <Text c="dimmed">{texts.pick}</Text> : (
        <DefinitionEditor section="middleware" name={name === "+" ? undefined : name} fresh={FRESH} beneath={(definition) => <Used name={definition.name ?? ""} />} />
      )}
    </Browse>
  );
}

function Used({ name }: { name: string }) {
  const texts = useTexts().editor;
  const { data: read } = useQuery(access);
  const users = (read?.surface ?? []).filter((one) => one.middleware.includes(name));
  if (users.length === 0) return null;
  return (
    <Group gap={8}>
      <Text size="sm" fw={600}>{texts.usedBy}</Text>
      {users.map((one) => <Link key={`${one.kind}/${one.name}`} to={`/${one.kind}s/${one.name}`} className="code">{one.name}</Link>)}
    </Group>
  );
}
