// Admins: who they are and how far each may go; an owner makes and changes them.
import { Alert, Badge, Button, Group, Modal, PasswordInput, Select, Stack, Text, TextInput, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, call, data, queries } from "../../api/client";
import { admins, type Rank, useMe } from "../../api/reads";
import { Ask } from "../../parts/Ask";
import { Confirm } from "../../parts/Confirm";
import { Loading } from "../../parts/Loading";
import { Once } from "../../parts/Once";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { SignIns } from "../account/SignIns";
import { Listing, moment } from "./Listing";

const RANKS: Rank[] = ["viewer", "editor", "owner"];
const again = () => queries.invalidateQueries({ queryKey: ["admins"] });

export function Admins() {
  const { people: texts, account, shell, act } = useTexts();
  const [link, setLink] = useState<string>();
  const { mayOwn, email: own } = useMe();
  const { data: all, error } = useQuery(admins);
  const changing = useMutation({ mutationFn: ({ id, ...body }: { id: string; role?: Rank; disabled?: boolean }) => call({ method: "PATCH", path: `/admins/${id}`, body }), onSettled: again });
  if (error) return <ProblemAlert error={error} />;
  if (!all) return <Loading />;
  const ranks = RANKS.map((value) => ({ value, label: shell.rank[value] }));
  return (
    <Stack gap="md">
      {mayOwn ? <Group gap="xs"><Invite show={setLink} /><NewAdmin /></Group> : <Alert color="gray">{texts.ownersOnly}</Alert>}
      {link ? <Once title={account.linkOnce} text={link} close={() => setLink(undefined)} /> : null}
      {changing.error ? <ProblemAlert error={changing.error} /> : null}
      <Listing label={texts.parts.admins} empty="" heads={[texts.email, texts.rank, texts.state, account.factor, texts.made, ...(mayOwn ? [""] : [])]}
        rows={all.map((one) => ({
          key: one.id,
          cells: [
            <Text key="email" size="sm">{one.email}{one.email === own ? ` (${texts.you})` : ""}</Text>,
            mayOwn ? <Select key="rank" size="xs" w={130} aria-label={`${texts.rank}: ${one.email}`} data={ranks} value={one.role} allowDeselect={false} onChange={(role) => role && changing.mutate({ id: one.id, role: role as Rank })} />
              : shell.rank[one.role as Rank],
            <Badge key="state" variant="light" color={one.disabled_at ? "red" : "teal"}>{one.disabled_at ? texts.disabled : texts.active}</Badge>,
            one.second_factor ? account.yes : account.no,
            moment(one.created_at),
            ...(mayOwn ? [
              <Group key="acts" gap="xs" wrap="nowrap">
                <Button size="xs" variant="default" aria-label={`${one.disabled_at ? texts.enable : texts.disable} ${one.email}`} onClick={() => changing.mutate({ id: one.id, disabled: !one.disabled_at })}>{one.disabled_at ? texts.enable : texts.disable}</Button>
                <Seen id={one.id} email={one.email} isOwn={one.email === own} hasFactor={one.second_factor} />
                <Confirm label={act.delete} lead={texts.deleteAdmin(one.email)} act={act.delete} run={() => call({ method: "DELETE", path: `/admins/${one.id}` })} done={again} />
              </Group>,
            ] : []),
          ],
        }))} />
      <Invites mayOwn={mayOwn} />
    </Stack>
  );
}

/** What an owner sees of an admin, and does about one who has lost the second factor or a device. */
function Seen({ id, email, isOwn, hasFactor }: { id: string; email: string; isOwn: boolean; hasFactor: boolean }) {
  const { account: texts, act } = useTexts();
  const [opened, { open, close }] = useDisclosure();
  const ending = useMutation({ mutationFn: () => call({ method: "DELETE", path: `/admins/${id}/sessions` }), onSettled: again });
  const read = { queryKey: ["admins", id, "sign-ins"], queryFn: () => data(api.GET("/admin/v1/admins/{admin_id}/sign-ins", { params: { path: { admin_id: id } } })) };
  return (
    <>
      <Button size="xs" variant="default" aria-label={texts.seen(email)} onClick={open}>{texts.signIns}</Button>
      <Modal opened={opened} onClose={close} size="xl" title={<Text fw={650}>{texts.seen(email)}</Text>} closeButtonProps={{ "aria-label": act.close }}>
        <Stack>
          <SignIns read={read} />
          {ending.error ? <ProblemAlert error={ending.error} /> : null}
          <Group>
            <Button size="xs" variant="default" loading={ending.isPending} onClick={() => ending.mutate()}>{texts.endAll}</Button>
            {hasFactor && !isOwn ? <Confirm label={texts.resetFactor} lead={texts.resetLead(email)} act={texts.resetFactor} run={() => call({ method: "DELETE", path: `/admins/${id}/factors` })} done={again} /> : null}
          </Group>
        </Stack>
      </Modal>
    </>
  );
}

function Invites({ mayOwn }: { mayOwn: boolean }) {
  const { people: texts, account, shell } = useTexts();
  const { data: all, error } = useQuery({ queryKey: ["admins", "invites"], queryFn: () => data(api.GET("/admin/v1/admins/invites")) });
  if (error) return <ProblemAlert error={error} />;
  if (!all || all.length === 0) return null;
  return (
    <Stack gap="xs">
      <Title order={2} size="h4">{account.invites}</Title>
      <Listing label={account.invites} empty="" heads={[texts.email, texts.rank, account.invitedBy, texts.ends, ...(mayOwn ? [""] : [])]}
        rows={all.map((one) => ({
          key: one.id,
          cells: [
            one.email, shell.rank[one.role], one.invited_by.replace(/^[a-z]+:/, ""), moment(one.expires_at),
            ...(mayOwn ? [<Confirm key="revoke" label={texts.revoke} lead={account.revokeLead(one.email)} act={texts.revoke} run={() => call({ method: "DELETE", path: `/admins/invites/${one.id}` })} done={again} />] : []),
          ],
        }))} />
    </Stack>
  );
}

function Invite({ show }: { show: (link: string | undefined) => void }) {
  const { people: texts, account, shell, signIn } = useTexts();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Rank>("viewer");
  const make = async () => {
    const answer = await call({ method: "POST", path: "/admins/invites", body: { email, role } });
    show(((await answer.json()) as { link: string | null }).link ?? undefined);
  };
  return (
    <Ask label={account.invite} act={account.inviteAct} begin={() => { setEmail(""); setRole("viewer"); show(undefined); }} done={again} run={make}>
      <TextInput label={signIn.email} type="email" required value={email} onChange={(event) => setEmail(event.currentTarget.value)} />
      <Select label={texts.rank} data={RANKS.map((value) => ({ value, label: shell.rank[value] }))} value={role} allowDeselect={false} onChange={(next) => next && setRole(next as Rank)} />
    </Ask>
  );
}

function NewAdmin() {
  const { people: texts, shell, signIn, setup } = useTexts();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Rank>("viewer");
  return (
    <Ask isPlain label={texts.newAdmin} act={texts.make} begin={() => { setEmail(""); setPassword(""); setRole("viewer"); }} done={again}
      run={() => call({ method: "POST", path: "/admins", body: { email, password, role } })}>
      <TextInput label={signIn.email} type="email" required value={email} onChange={(event) => setEmail(event.currentTarget.value)} />
      <PasswordInput label={signIn.password} description={setup.passwordHint} required autoComplete="new-password" value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
      <Select label={texts.rank} data={RANKS.map((value) => ({ value, label: shell.rank[value] }))} value={role} allowDeselect={false} onChange={(next) => next && setRole(next as Rank)} />
    </Ask>
  );
}
