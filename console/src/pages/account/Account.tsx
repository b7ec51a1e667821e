// The own account: second factors, the password, sessions, and how it was signed in to.
import { Alert, Badge, Button, Paper, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api, call, data, queries } from "../../api/client";
import { Ask } from "../../parts/Ask";
import { Heading } from "../../parts/Heading";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { Listing, moment } from "../people/Listing";
import { Factors } from "./Factors";
import { SignIns } from "./SignIns";

export default function Account() {
  const texts = useTexts().account;
  return (
    <Stack gap="md">
      <Heading title={texts.title} lead={texts.lead} />
      <Part title={texts.factors} lead={texts.factorsLead}><Factors /></Part>
      <Part title={texts.password}><Password /></Part>
      <Part title={texts.sessions}><Sessions /></Part>
      <Part title={texts.signIns}><SignIns read={{ queryKey: ["admins", "sign-ins"], queryFn: () => data(api.GET("/admin/v1/account/sign-ins")) }} /></Part>
    </Stack>
  );
}

function Part({ title, lead, children }: { title: string; lead?: string; children: ReactNode }) {
  return (
    <Paper className="card" p="md" component="section">
      <Stack gap="sm">
        <div>
          <Title order={2} size="h4">{title}</Title>
          {lead ? <Text size="sm" c="dimmed">{lead}</Text> : null}
        </div>
        {children}
      </Stack>
    </Paper>
  );
}

function Password() {
  const { account: texts, setup } = useTexts();
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const [done, setDone] = useState(false);
  return (
    <Stack gap="sm">
      {done ? <Alert color="teal" role="status">{texts.passwordChanged}</Alert> : null}
      <Ask isPlain label={texts.changePassword} act={texts.changePassword} begin={() => { setCurrent(""); setPassword(""); setDone(false); }}
        run={() => call({ method: "PUT", path: "/password", body: { current_password: current, password } })}
        done={() => { setDone(true); return queries.invalidateQueries({ queryKey: ["admins"] }); }}>
        <PasswordInput label={texts.present} required autoComplete="current-password" value={current} onChange={(event) => setCurrent(event.currentTarget.value)} />
        <PasswordInput label={texts.newPassword} description={setup.passwordHint} required autoComplete="new-password" value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
      </Ask>
    </Stack>
  );
}

function Sessions() {
  const texts = useTexts().account;
  const key = ["admins", "sessions"];
  const { data: all, error } = useQuery({ queryKey: key, queryFn: () => data(api.GET("/admin/v1/account/sessions")) });
  const end = async (id: string) => {
    await call({ method: "DELETE", path: `/account/sessions/${id}` });
    await queries.invalidateQueries({ queryKey: key });
  };
  if (error) return <ProblemAlert error={error} />;
  if (!all) return <Loading />;
  return (
    <Listing label={texts.sessions} empty="" heads={[texts.began, texts.lastSeen, texts.from, texts.program, ""]}
      rows={all.map((one) => ({
        key: one.id,
        cells: [
          moment(one.created_at), moment(one.refreshed_at), one.ip ?? "", one.user_agent ?? "",
          one.current ? <Badge key="this" variant="light">{texts.thisOne}</Badge>
            : <Button key="end" size="xs" variant="default" onClick={() => void end(one.id)}>{texts.end}</Button>,
        ],
      }))} />
  );
}
