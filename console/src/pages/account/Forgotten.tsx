// Has a mail sent to an admin who has forgotten the password; what it says is the same for every address.
import { Alert, Anchor, Button, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { asNobody } from "../../api/session";
import { ProblemAlert } from "../../parts/Problem";
import { Door } from "../../shell/Door";
import { useTexts } from "../../texts";

export default function Forgotten() {
  const { account: texts, signIn } = useTexts();
  const [email, setEmail] = useState("");
  const asking = useMutation({ mutationFn: () => asNobody("/recover", { email }) });
  return (
    <Door>
      <form onSubmit={(event) => { event.preventDefault(); asking.mutate(); }}>
        <Stack>
          <div>
            <Title order={1}>{texts.forgotTitle}</Title>
            <Text c="dimmed" size="sm">{texts.forgotLead}</Text>
          </div>
          <TextInput label={signIn.email} type="email" required withAsterisk={false} autoComplete="username" value={email}
            onChange={(event) => setEmail(event.currentTarget.value)} />
          {asking.isError ? <ProblemAlert error={asking.error} /> : null}
          {asking.isSuccess ? <Alert color="teal" role="status">{texts.forgotSent}</Alert> : null}
          <Button type="submit" loading={asking.isPending}>{texts.forgotSend}</Button>
          <Anchor component={Link} to="/" size="sm">{texts.toSignIn}</Anchor>
        </Stack>
      </form>
    </Door>
  );
}
