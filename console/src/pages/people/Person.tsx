// One user: roles, columns, and what an admin may do to the account; a change that somebody else made meanwhile is told.
import { Badge, Button, Group, MultiSelect, Paper, Stack, Text, Title } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { api, type Call, call, data, queries, type Schemas } from "../../api/client";
import { isProblem } from "../../api/problem";
import { config, type Definitions, useMe } from "../../api/reads";
import { Confirm } from "../../parts/Confirm";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { SessionList } from "../account/SessionList";
import { asText, asValue, type Column } from "../tables/columns";
import { ValueField } from "../tables/ValueField";
import { moment } from "./Listing";

type User = Schemas["UserAnswer"];
export const again = () => queries.invalidateQueries({ queryKey: ["users"] });

export function Person({ id }: { id: string }) {
  const reading = useQuery({
    queryKey: ["users", "one", id],
    queryFn: async () => {
      const { data, response } = await api.GET("/admin/v1/users/{user_id}", { params: { path: { user_id: id } } });
      return { user: data as User, etag: response.headers.get("etag") ?? "*" };
    },
    retry: false,
  });
  const { data: read } = useQuery(config);
  if (reading.error) return <ProblemAlert error={reading.error} />;
  if (!reading.data || !read) return <Loading />;
  const { user, etag } = reading.data;
  return <Shown key={etag} user={user} etag={etag} roles={read.document.roles?.map((one) => one.name) ?? []} columns={read.document.users?.columns ?? []} />;
}

export function columnOfUser(said: Definitions["UserColumnDef"]): Column {
  return { ...said, target: said.table ?? (said.type === "user" ? "users" : undefined), key: said.column ?? "id", kept: false };
}

type Props = { user: User; etag: string; roles: string[]; columns: Definitions["UserColumnDef"][] };

function Shown({ user, etag, roles, columns }: Props) {
  const texts = useTexts();
  const go = useNavigate();
  const { mayEdit } = useMe();
  const [given, setGiven] = useState(user.roles);
  const [typed, setTyped] = useState<Record<string, string | null>>({});
  const at = `/users/${user.id}`;
  const changing = useMutation({
    mutationFn: (said: Omit<Call, "ifMatch">) => call({ ...said, ifMatch: etag }),
    onSuccess: async () => { await again(); notifications.show({ message: texts.people.done, color: "teal", withCloseButton: false }); },
  });
  const act = (action: string) => changing.mutate({ method: "POST", path: `${at}/${action}` });
  const all = columns.map(columnOfUser);
  const save = () => changing.mutate({ method: "PATCH", path: at, body: Object.fromEntries(all.filter(({ name }) => name in typed).map((one) => [one.name, asValue(one, typed[one.name] ?? null)])) });
  const fieldOf = (name: string) => (isProblem(changing.error) ? changing.error.fields.find((one) => one.loc.includes(name))?.message : undefined);
  return (
    <Paper className="card" p="md" component="section" aria-label={user.email ?? user.id}>
      <Stack gap="md">
        <div>
          <Group gap={8}>
            <Title order={2}>{user.email ?? texts.people.noEmail}</Title>
            <Badge variant="light" color={user.disabled ? "red" : "teal"}>{user.disabled ? texts.people.disabled : texts.people.active}</Badge>
            <Badge variant="light" color={user.confirmed_at ? "teal" : "orange"}>{user.confirmed_at ? texts.people.confirmed : texts.people.unconfirmed}</Badge>
          </Group>
          <Text size="xs" c="dimmed" className="mono">{user.id}</Text>
          <Text size="xs" c="dimmed">{texts.people.lastSignIn}: {moment(user.last_sign_in_at) || texts.people.never}</Text>
        </div>
        {changing.error ? <ProblemAlert error={changing.error} retry={isProblem(changing.error, "admin.user_changed") ? () => void again() : undefined} /> : null}
        <MultiSelect label={texts.people.roles} data={[...new Set([...roles, ...given])]} value={given} onChange={setGiven} disabled={!mayEdit} placeholder={given.length === 0 ? texts.people.noRoles : undefined} />
        {mayEdit ? (
          <div>
            <Button size="xs" disabled={given.join() === user.roles.join()} onClick={() => changing.mutate({ method: "PUT", path: `${at}/roles`, body: { roles: given } })}>{texts.people.saveRoles}</Button>
          </div>
        ) : null}
        {all.map((one) => mayEdit ? (
          <ValueField key={one.name} column={one} text={one.name in typed ? (typed[one.name] ?? null) : asText(one, user[one.name])} error={fieldOf(one.name)}
            onChange={(text) => setTyped((before) => ({ ...before, [one.name]: text }))} />
        ) : <Text key={one.name} size="sm"><b>{one.name}</b> <span className="mono">{asText(one, user[one.name]) ?? texts.rows.null}</span></Text>)}
        {mayEdit ? (
          <Group gap="xs">
            {all.length > 0 ? <Button size="xs" disabled={Object.keys(typed).length === 0} onClick={save}>{texts.people.saveColumns}</Button> : null}
            <Button size="xs" variant="default" onClick={() => act("sign-out")}>{texts.people.signOut}</Button>
            {user.confirmed_at ? null : <Button size="xs" variant="default" onClick={() => act("confirm")}>{texts.people.confirm}</Button>}
            <Button size="xs" variant="default" onClick={() => act(user.disabled ? "enable" : "disable")}>{user.disabled ? texts.people.enable : texts.people.disable}</Button>
            <Confirm label={texts.people.delete} lead={texts.people.deleteLead(user.email ?? user.id)} act={texts.act.delete}
              run={() => call({ method: "DELETE", path: at, ifMatch: etag })} done={async () => { await go("/people/users"); await again(); }} />
          </Group>
        ) : null}
        <Title order={3}>{texts.account.sessions}</Title>
        <SessionList path={`${at}/sessions`} mayEnd={mayEdit}
          read={{ queryKey: ["users", "sessions", user.id], queryFn: () => data(api.GET("/admin/v1/users/{user_id}/sessions", { params: { path: { user_id: user.id } } })) }} />
      </Stack>
    </Paper>
  );
}
