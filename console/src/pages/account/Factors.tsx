// The own second factors: an authenticator is added in two steps, and recovery codes are shown once.
import { Alert, Badge, Button, Group, Image, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { call, queries, type Schemas } from "../../api/client";
import { account } from "../../api/reads";
import { Ask } from "../../parts/Ask";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";

const again = () => queries.invalidateQueries({ queryKey: ["admins"] });

export function Factors() {
  const texts = useTexts().account;
  const { data: me, error } = useQuery(account);
  const [begun, setBegun] = useState<Schemas["NewFactor"]>();
  const [codes, setCodes] = useState<string[]>([]);
  if (error) return <ProblemAlert error={error} />;
  if (!me) return <Loading />;
  // Once the codes are kept: what is shown may be gone with the next reading of the account.
  if (codes.length > 0) return <Codes codes={codes} kept={() => { setCodes([]); void again(); }} />;
  if (begun) return <Verify factor={begun} done={(given) => { setBegun(undefined); setCodes(given); if (given.length === 0) void again(); }} />;
  return (
    <Stack gap="sm">
      {me.factors.length === 0 ? <Text size="sm" c="dimmed">{texts.noFactors}</Text> : null}
      {me.factors.map((one) => (
        <Group key={one.id} gap="sm">
          <Text size="sm" fw={600}>{one.name || texts.unnamed}</Text>
          <Badge variant="light" color={one.verified_at ? "teal" : "gray"}>{one.verified_at ? texts.inForce : texts.unverified}</Badge>
          {me.second_factor_needed ? null : (
            <WithPassword label={texts.removeFactor(one.name || texts.unnamed)} run={(current_password) => call({ method: "POST", path: `/account/factors/${one.id}/remove`, body: { current_password } })} />
          )}
        </Group>
      ))}
      {me.factors.some((one) => one.verified_at) ? (
        <Group gap="sm">
          <Text size="sm">{texts.codesLeft(me.recovery_codes_left)}</Text>
          <WithPassword label={texts.newCodes} run={async (current_password) => {
            const answer = await call({ method: "POST", path: "/account/recovery-codes", body: { current_password } });
            setCodes(((await answer.json()) as { codes: string[] }).codes);
          }} />
        </Group>
      ) : null}
      <Add begin={setBegun} />
    </Stack>
  );
}

function Add({ begin }: { begin: (factor: Schemas["NewFactor"]) => void }) {
  const texts = useTexts().account;
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  return (
    <Ask label={texts.addFactor} act={texts.next} begin={() => { setName(""); setPassword(""); }} done={() => undefined}
      run={async () => begin((await (await call({ method: "POST", path: "/account/factors", body: { name, current_password: password } })).json()) as Schemas["NewFactor"])}>
      <TextInput label={texts.factorName} value={name} onChange={(event) => setName(event.currentTarget.value)} />
      <PasswordInput label={texts.present} required autoComplete="current-password" value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
    </Ask>
  );
}

function Verify({ factor, done }: { factor: Schemas["NewFactor"]; done: (codes: string[]) => void }) {
  const texts = useTexts().account;
  const [code, setCode] = useState("");
  const verifying = useMutation({
    mutationFn: async () => ((await (await call({ method: "POST", path: `/account/factors/${factor.id}/verify`, body: { code } })).json()) as { codes: string[] }).codes,
    onSuccess: done,
  });
  return (
    <form onSubmit={(event) => { event.preventDefault(); verifying.mutate(); }}>
      <Stack gap="sm">
        <Text size="sm">{texts.scan}</Text>
        <Image src={`data:image/svg+xml;utf-8,${factor.totp.qr_code}`} alt={texts.picture} w={200} h={200} radius="sm" />
        <Text size="sm">{texts.secret}: <span className="code">{factor.totp.secret}</span></Text>
        <TextInput label={texts.code} required withAsterisk={false} autoComplete="one-time-code" maw={240} value={code} onChange={(event) => setCode(event.currentTarget.value)} />
        {verifying.isError ? <ProblemAlert error={verifying.error} /> : null}
        <Group><Button type="submit" loading={verifying.isPending}>{texts.verify}</Button></Group>
      </Stack>
    </form>
  );
}

function Codes({ codes, kept }: { codes: string[]; kept: () => void }) {
  const texts = useTexts().account;
  return (
    <Alert color="teal" title={texts.codesOnce} role="alert">
      <Stack gap="sm">
        <pre className="code">{codes.join("\n")}</pre>
        <Group><Button size="xs" onClick={kept}>{texts.kept}</Button></Group>
      </Stack>
    </Alert>
  );
}

function WithPassword({ label, run }: { label: string; run: (password: string) => Promise<unknown> }) {
  const texts = useTexts().account;
  const [password, setPassword] = useState("");
  return (
    <Ask isPlain label={label} act={texts.next} begin={() => setPassword("")} run={() => run(password)} done={again}>
      <PasswordInput label={texts.present} required autoComplete="current-password" value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
    </Ask>
  );
}
