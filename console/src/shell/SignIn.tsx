// Signs an admin in.
import { Button, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { signIn } from "../api/session";
import { ProblemAlert } from "../parts/Problem";
import { useTexts } from "../texts";
import { Door } from "./Door";

export function SignIn() {
  const texts = useTexts().signIn;
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const entering = useMutation({ mutationFn: () => signIn(email, password) });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    entering.mutate();
  };
  return (
    <Door>
      <form onSubmit={submit}>
        <Stack>
          <div>
            <Title order={1}>{texts.title}</Title>
            <Text c="dimmed" size="sm">{texts.lead}</Text>
          </div>
          <TextInput label={texts.email} type="email" required withAsterisk={false} autoComplete="username" data-autofocus value={email}
            onChange={(event) => setEmail(event.currentTarget.value)} />
          <PasswordInput label={texts.password} required withAsterisk={false} autoComplete="current-password" value={password}
            onChange={(event) => setPassword(event.currentTarget.value)} />
          {entering.isError ? <ProblemAlert error={entering.error} /> : null}
          <Button type="submit" loading={entering.isPending}>{texts.submit}</Button>
          <Text c="dimmed" size="xs">{texts.first}</Text>
        </Stack>
      </form>
    </Door>
  );
}
