// Secrets: their names and hosts; a value is written and never shown again.
import { Group, PasswordInput, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, call, data, queries, type Schemas } from "../../api/client";
import { Ask } from "../../parts/Ask";
import { Confirm } from "../../parts/Confirm";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { Listing, moment } from "./Listing";

type Secret = Schemas["SecretAnswer"];
const again = () => queries.invalidateQueries({ queryKey: ["secrets"] });

/** Gives the ETag of a secret as it is now, for a change of it. */
async function etagOf(name: string): Promise<string> {
  const { response } = await api.GET("/admin/v1/secrets/{name}", { params: { path: { name } } });
  return response.headers.get("etag") ?? "*";
}

export function Secrets() {
  const { people: texts, act } = useTexts();
  const { data: all, error } = useQuery({ queryKey: ["secrets"], queryFn: () => data(api.GET("/admin/v1/secrets")) });
  if (error) return <ProblemAlert error={error} />;
  if (!all) return <Loading />;
  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed">{texts.secretsLead}</Text>
      <Kept />
      <Listing label={texts.parts.secrets} empty={texts.noSecrets} heads={[texts.name, texts.hosts, texts.description, texts.changed, ""]}
        rows={all.map((one) => ({
          key: one.name,
          cells: [
            <Text key="name" size="sm" className="mono">{one.name}</Text>, <Text key="hosts" size="sm" className="mono">{one.hosts.join(", ")}</Text>, one.description ?? "", moment(one.updated_at),
            <Group key="acts" gap="xs" wrap="nowrap">
              <Kept secret={one} />
              <Confirm label={act.delete} lead={texts.deleteSecret(one.name)} act={act.delete} done={again}
                run={async () => call({ method: "DELETE", path: `/secrets/${one.name}`, ifMatch: await etagOf(one.name) })} />
            </Group>,
          ],
        }))} />
    </Stack>
  );
}

/** The form of a new secret, or of one whose value stays where none is typed. */
function Kept({ secret }: { secret?: Secret }) {
  const { people: texts, act } = useTexts();
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const [hosts, setHosts] = useState<string[]>([]);
  const [description, setDescription] = useState("");
  const [etag, setEtag] = useState<Promise<string>>();
  const begin = () => {
    setName(secret?.name ?? ""); setValue(""); setHosts(secret?.hosts ?? []); setDescription(secret?.description ?? "");
    setEtag(secret && etagOf(secret.name));
  };
  const keep = async () => {
    const said = { hosts, ...(value ? { value } : {}), ...(description ? { description } : {}) };
    return secret ? call({ method: "PATCH", path: `/secrets/${secret.name}`, body: said, ifMatch: await etag }) : call({ method: "POST", path: "/secrets", body: { name, ...said } });
  };
  return (
    <Ask label={secret ? texts.changeSecret(secret.name) : texts.newSecret} act={act.save} run={keep} done={again} begin={begin} isPlain={secret !== undefined}>
      {secret ? null : <TextInput label={texts.name} required value={name} onChange={(event) => setName(event.currentTarget.value)} />}
      <PasswordInput label={texts.secretValue} description={secret ? texts.secretStays : undefined} required={!secret} autoComplete="off" value={value} onChange={(event) => setValue(event.currentTarget.value)} />
      <TagsInput label={texts.hosts} description={texts.hostsHint} value={hosts} onChange={setHosts} />
      <TextInput label={texts.description} value={description} onChange={(event) => setDescription(event.currentTarget.value)} />
    </Ask>
  );
}
