// Roles, and all that each of them opens: every endpoint and view against everybody who may ask.
import { Button, Group, ScrollArea, Stack, Table, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link } from "react-router";
import { access, config, useMe } from "../../api/reads";
import { Check, Minus, Plus, Trash } from "../../parts/icons";
import { Loading } from "../../parts/Loading";
import { isLetIn, type Person, usePersonName } from "../../parts/PersonPicker";
import { ProblemAlert } from "../../parts/Problem";
import { PlanDialog, type Proposal } from "../../plan/PlanDialog";
import { useTexts } from "../../texts";

export function Roles() {
  const texts = useTexts();
  const named = usePersonName();
  const { mayEdit } = useMe();
  const live = useQuery(config);
  const opened = useQuery(access);
  const [name, setName] = useState("");
  const [proposal, setProposal] = useState<Proposal>();
  const error = live.error ?? opened.error;
  if (error) return <ProblemAlert error={error} />;
  if (!live.data || !opened.data) return <Loading />;
  const roles = live.data.document.roles ?? [];
  const people: Person[] = [{ kind: "anonymous" }, { kind: "signedIn" }, ...roles.map((one) => ({ kind: "role", role: one.name }) as const)];
  const { etag } = live.data;
  const make = (event: FormEvent) => {
    event.preventDefault();
    setProposal({ call: { method: "POST", path: "/roles", body: { name }, ifMatch: etag }, done: () => setName("") });
  };
  return (
    <Stack gap="md">
      <Stack gap={6}>
        {roles.map((one) => (
          <Group key={one.name} gap="sm">
            <span className="code">{one.name}</span>
            <Text size="sm" c="dimmed">{one.description}</Text>
            {mayEdit ? (
              <Button size="compact-xs" variant="subtle" color="red" leftSection={<Trash size={13} />} aria-label={`${texts.act.delete} ${one.name}`}
                onClick={() => setProposal({ call: { method: "DELETE", path: `/roles/${one.name}`, ifMatch: etag } })}>{texts.act.delete}</Button>
            ) : null}
          </Group>
        ))}
        {mayEdit ? (
          <form onSubmit={make}>
            <Group gap="xs">
              <TextInput size="xs" aria-label={texts.people.roleName} placeholder={texts.people.roleName} required value={name} onChange={(event) => setName(event.currentTarget.value)} />
              <Button size="xs" type="submit" leftSection={<Plus size={14} />}>{texts.people.newRole}</Button>
            </Group>
          </form>
        ) : null}
      </Stack>
      <Text size="sm" c="dimmed">{texts.people.matrixLead}</Text>
      <ScrollArea className="card" viewportProps={{ tabIndex: 0, role: "region", "aria-label": texts.people.matrix }}>
        <Table fz="sm" highlightOnHover aria-label={texts.people.matrix}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{texts.people.opens}</Table.Th>
              {people.map((one) => <Table.Th key={named(one)} ta="center" style={{ whiteSpace: "nowrap" }}>{named(one)}</Table.Th>)}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {opened.data.surface.map((one) => (
              <Table.Tr key={`${one.kind}/${one.name}`}>
                <Table.Td><Link to={`/${one.kind}s/${one.name}`} className="code">{one.methods?.join(" ") ?? ""} {one.path}</Link></Table.Td>
                {people.map((who) => {
                  const isOpen = isLetIn(who, one.access);
                  return (
                    <Table.Td key={named(who)} ta="center">
                      {isOpen ? <Check size={16} color="var(--gate-open)" aria-hidden /> : <Minus size={16} color="var(--mantine-color-dimmed)" aria-hidden />}
                      <span className="sr">{isOpen ? texts.gate.through : texts.gate.stopped}</span>
                    </Table.Td>
                  );
                })}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </ScrollArea>
      <PlanDialog proposal={proposal} close={() => setProposal(undefined)} />
    </Stack>
  );
}
