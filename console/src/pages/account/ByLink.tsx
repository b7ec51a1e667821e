// Where the links of mails to admins lead: an invitation is taken up, or a forgotten password replaced.
import { Alert, Anchor, Button, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { isProblem } from "../../api/problem";
import { asNobody } from "../../api/session";
import { ProblemAlert } from "../../parts/Problem";
import { Door } from "../../shell/Door";
import { useTexts } from "../../texts";

/** The token stands behind the #, which no browser sends to a server and no log keeps. */
const TOKEN = window.location.hash.slice(1);

export default function ByLink({ way }: { way: "invited" | "recover" }) {
  const { account: texts, setup } = useTexts();
  const invited = way === "invited";
  const [password, setPassword] = useState("");
  const [code, setCode] = useState<string>();
  const choosing = useMutation({
    mutationFn: () =>
      invited ? asNobody("/admins/invites/accept", { token: TOKEN, password })
        : asNobody("/recover/redeem", { token: TOKEN, password, ...(code === undefined ? {} : { code }) }),
    onError: (error) => { if (isProblem(error, "admin.code_needed")) setCode(""); },
  });
  const toSignIn = <Anchor component={Link} to="/" size="sm">{texts.toSignIn}</Anchor>;
  const head = (
    <div>
      <Title order={1}>{invited ? texts.invitedTitle : texts.newPasswordTitle}</Title>
      <Text c="dimmed" size="sm">{!TOKEN ? texts.noToken : invited ? texts.invitedLead : texts.newPasswordLead}</Text>
    </div>
  );
  if (choosing.isSuccess)
    return <Door><Stack>{head}<Alert color="teal" role="status">{texts.chosen}</Alert>{toSignIn}</Stack></Door>;
  return (
    <Door>
      <form onSubmit={(event) => { event.preventDefault(); choosing.mutate(); }}>
        <Stack>
          {head}
          <PasswordInput label={texts.newPassword} description={setup.passwordHint} required withAsterisk={false} autoComplete="new-password" value={password}
            onChange={(event) => setPassword(event.currentTarget.value)} />
          {code === undefined ? null : (
            <TextInput label={texts.codeIfAny} description={texts.codeLead} required withAsterisk={false} autoComplete="one-time-code" autoFocus value={code}
              onChange={(event) => setCode(event.currentTarget.value)} />
          )}
          {choosing.isError && !isProblem(choosing.error, "admin.code_needed") ? <ProblemAlert error={choosing.error} /> : null}
          <Button type="submit" loading={choosing.isPending} disabled={!TOKEN}>{texts.choose}</Button>
          {toSignIn}
        </Stack>
      </form>
    </Door>
  );
}
