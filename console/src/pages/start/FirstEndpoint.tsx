// The guided first endpoint: a name and an answer, and the definition that this makes.
import { Button, Group, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { Lock } from "../../parts/icons";
import type { Proposal } from "../../plan/PlanDialog";
import { useTexts } from "../../texts";

type Props = { propose: (proposal: Proposal) => void; done: (name: string) => void; taken: string[] };
const NAME = /^[a-z][a-z0-9_]{0,62}$/;

export function FirstEndpoint({ propose, done, taken }: Props) {
  const texts = useTexts().start;
  const [name, setName] = useState("hello");
  const [message, setMessage] = useState(texts.message);
  const definition = {
    name,
    method: "GET",
    path: `/${name}`,
    access: "authenticated",
    steps: [{ do: "respond", body: { message, at: "=now" } }],
  };
  const isTaken = taken.includes(name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    propose({ call: { method: "POST", path: "/endpoints", body: definition }, done: () => done(name) });
  };
  return (
    <form onSubmit={submit}>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="lg">
        <Stack gap="sm">
          <Text size="sm" c="dimmed">{texts.firstLead}</Text>
          <TextInput label={texts.fieldName} description={texts.fieldNameHint} value={name} error={isTaken ? texts.taken : undefined}
            onChange={(event) => setName(event.currentTarget.value)} />
          <TextInput label={texts.fieldMessage} value={message} onChange={(event) => setMessage(event.currentTarget.value)} />
          <Group gap={6} wrap="nowrap"><Lock size={16} aria-hidden /><Text size="sm">{texts.access}</Text></Group>
          <Group><Button type="submit" disabled={!NAME.test(name) || isTaken}>{texts.create}</Button></Group>
        </Stack>
        <pre className="code" tabIndex={0}>{`name: ${name}
method: GET
path: /${name}
access: authenticated
steps:
  - do: respond
    body: {message: ${JSON.stringify(message)}, at: =now}`}</pre>
      </SimpleGrid>
    </form>
  );
}
