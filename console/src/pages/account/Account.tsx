// The own account: second factors, the password, sessions, and how it was signed in to.
import { Alert, Paper, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { api, call, data, queries } from "../../api/client";
import { Ask } from "../../parts/Ask";
import { Heading } from "../../parts/Heading";
import { useTexts } from "../../texts";
import { Factors } from "./Factors";
import { SessionList } from "./SessionList";
import { SignIns } from "./SignIns";

export default function Account() {
  const texts = useTexts().account;
  return (
    <Stack gap="md">
      <Heading title={texts.title} lead={texts.lead} />
      <Part title={texts.factors} lead={texts.factorsLead}><Factors /></Part>
      <Part title={texts.password}><Password /></Part>
      <Part title={texts.sessions}><SessionList path="/account/sessions" read={{ queryKey: ["admins", "sessions"], queryFn: () => data(api.GET("/admin/v1/account/sessions")) }} /></Part>
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
