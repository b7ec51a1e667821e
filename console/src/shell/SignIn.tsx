// Signs an admin in: by the password, and then by a code of who has a second factor.
import { Anchor, Button, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link } from "react-router";
import { isProblem } from "../api/problem";
import { signIn } from "../api/session";
import { ProblemAlert } from "../parts/Problem";
import { useTexts } from "../texts";
import { Door } from "./Door";

export function SignIn() {
  const { signIn: texts, account } = useTexts();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState<string>();
  const asked = code !== undefined;
  const entering = useMutation({
    mutationFn: () => signIn(email, password, code),
    onError: (error) => { if (isProblem(error, "admin.code_needed")) setCode(""); },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    entering.mutate();
  };
  const again = () => { setCode(undefined); entering.reset(); };
  return (
    <Door>
      <form onSubmit={submit}>
        <Stack>
          <div>
            <Title order={1}>{asked ? account.codeTitle : texts.title}</Title>
            <Text c="dimmed" size="sm">{asked ? account.codeLead : texts.lead}</Text>
          </div>
          {asked ? (
            <TextInput key="code" label={account.code} required withAsterisk={false} autoComplete="one-time-code" autoFocus value={code}
              onChange={(event) => setCode(event.currentTarget.value)} />
          ) : (
            <>
              <TextInput label={texts.email} type="email" required withAsterisk={false} autoComplete="username" data-autofocus value={email}
                onChange={(event) => setEmail(event.currentTarget.value)} />
              <PasswordInput label={texts.password} required withAsterisk={false} autoComplete="current-password" value={password}
                onChange={(event) => setPassword(event.currentTarget.value)} />
            </>
          )}
          {entering.isError && !isProblem(entering.error, "admin.code_needed") ? <ProblemAlert error={entering.error} /> : null}
          <Button type="submit" loading={entering.isPending}>{texts.submit}</Button>
          {asked ? <Anchor component="button" type="button" size="sm" onClick={again}>{account.back}</Anchor>
            : <Anchor component={Link} to="/forgotten" size="sm">{account.forgot}</Anchor>}
          <Text c="dimmed" size="xs">{texts.first}</Text>
        </Stack>
      </form>
    </Door>
  );
}
