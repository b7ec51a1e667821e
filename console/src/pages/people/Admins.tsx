// Admins: who they are and how far each may go; an owner makes and changes them.
import { Alert, Badge, Button, Group, PasswordInput, Select, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { call, queries } from "../../api/client";
import { admins, type Rank, useMe } from "../../api/reads";
import { Ask } from "../../parts/Ask";
import { Confirm } from "../../parts/Confirm";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { Listing, moment } from "./Listing";

const RANKS: Rank[] = ["viewer", "editor", "owner"];
const again = () => queries.invalidateQueries({ queryKey: ["admins"] });

export function Admins() {
  const { people: texts, shell, act } = useTexts();
  const { mayOwn, email: own } = useMe();
  const { data: all, error } = useQuery(admins);
  const changing = useMutation({ mutationFn: ({ id, ...body }: { id: string; role?: Rank; disabled?: boolean }) => call({ method: "PATCH", path: `/admins/${id}`, body }), onSettled: again });
  if (error) return <ProblemAlert error={error} />;
  if (!all) return <Loading />;
  const ranks = RANKS.map((value) => ({ value, label: shell.rank[value] }));
  return (
    <Stack gap="md">
      {mayOwn ? <NewAdmin /> : <Alert color="gray">{texts.ownersOnly}</Alert>}
      {changing.error ? <ProblemAlert error={changing.error} /> : null}
      <Listing label={texts.parts.admins} empty="" heads={[texts.email, texts.rank, texts.state, texts.made, ...(mayOwn ? [""] : [])]}
        rows={all.map((one) => ({
          key: one.id,
          cells: [
            <Text key="email" size="sm">{one.email}{one.email === own ? ` (${texts.you})` : ""}</Text>,
            mayOwn ? <Select key="rank" size="xs" w={130} aria-label={`${texts.rank}: ${one.email}`} data={ranks} value={one.role} allowDeselect={false} onChange={(role) => role && changing.mutate({ id: one.id, role: role as Rank })} />
              : shell.rank[one.role as Rank],
            <Badge key="state" variant="light" color={one.disabled_at ? "red" : "teal"}>{one.disabled_at ? texts.disabled : texts.active}</Badge>,
            moment(one.created_at),
            ...(mayOwn ? [
              <Group key="acts" gap="xs" wrap="nowrap">
                <Button size="xs" variant="default" aria-label={`${one.disabled_at ? texts.enable : texts.disable} ${one.email}`} onClick={() => changing.mutate({ id: one.id, disabled: !one.disabled_at })}>{one.disabled_at ? texts.enable : texts.disable}</Button>
                <Confirm label={act.delete} lead={texts.deleteAdmin(one.email)} act={act.delete} run={() => call({ method: "DELETE", path: `/admins/${one.id}` })} done={again} />
              </Group>,
            ] : []),
          ],
        }))} />
    </Stack>
  );
}

function NewAdmin() {
  const { people: texts, shell, signIn, setup } = useTexts();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Rank>("viewer");
  return (
    <Ask label={texts.newAdmin} act={texts.make} begin={() => { setEmail(""); setPassword(""); setRole("viewer"); }} done={again}
      run={() => call({ method: "POST", path: "/admins", body: { email, password, role } })}>
      <TextInput label={signIn.email} type="email" required value={email} onChange={(event) => setEmail(event.currentTarget.value)} />
      <PasswordInput label={signIn.password} description={setup.passwordHint} required autoComplete="new-password" value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
      <Select label={texts.rank} data={RANKS.map((value) => ({ value, label: shell.rank[value] }))} value={role} allowDeselect={false} onChange={(next) => next && setRole(next as Rank)} />
    </Ask>
  );
}
