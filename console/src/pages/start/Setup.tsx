// The first minute's first page: makes the first admin with the token of the link that the server printed.
import { Anchor, Button, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useNavigate } from "react-router";
import { isProblem } from "../../api/problem";
import { makeFirstAdmin } from "../../api/session";
import { ProblemAlert } from "../../parts/Problem";
import { Door } from "../../shell/Door";
import { useTexts } from "../../texts";

/** The token stands behind the #, which no browser sends to a server and no log keeps. */
const TOKEN = window.location.hash.slice(1);

export default function Setup() {
  const texts = useTexts();
  const go = useNavigate();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const making = useMutation({
    mutationFn: () => makeFirstAdmin(TOKEN, email, password),
    onSuccess: () => go("/start", { replace: true }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    making.mutate();
  };
  const exists = isProblem(making.error, "admin.exists");
  return (
    <Door>
      <form onSubmit={submit}>
        <Stack>
          <div>
            <Title order={1}>{texts.setup.title}</Title>
            <Text c="dimmed" size="sm">{TOKEN ? texts.setup.lead : texts.setup.noToken}</Text>
          </div>
          <TextInput label={texts.signIn.email} type="email" required withAsterisk={false} autoComplete="username" value={email}
            onChange={(event) => setEmail(event.currentTarget.value)} />
          <PasswordInput label={texts.signIn.password} description={texts.setup.passwordHint} required withAsterisk={false} autoComplete="new-password" value={password}
            onChange={(event) => setPassword(event.currentTarget.value)} />
          {making.isError ? <ProblemAlert error={making.error} title={exists ? texts.setup.exists : undefined} /> : null}
          <Button type="submit" loading={making.isPending} disabled={!TOKEN}>{texts.setup.submit}</Button>
          {exists || !TOKEN ? <Anchor component={Link} to="/" size="sm">{texts.setup.toSignIn}</Anchor> : null}
        </Stack>
      </form>
    </Door>
  );
}
