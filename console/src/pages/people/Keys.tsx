// API keys: each is shown once, when it is made, and revoked here.
import { Badge, MultiSelect, Select, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, call, data, queries } from "../../api/client";
import { config, type Rank, useMe } from "../../api/reads";
import { Ask } from "../../parts/Ask";
import { Confirm } from "../../parts/Confirm";
import { Loading } from "../../parts/Loading";
import { Once } from "../../parts/Once";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { Listing, moment } from "./Listing";

const again = () => queries.invalidateQueries({ queryKey: ["keys"] });

export function Keys() {
  const { people: texts, shell } = useTexts();
  const { mayEdit } = useMe();
  const [made, setMade] = useState<string>();
  const { data: all, error } = useQuery({ queryKey: ["keys"], queryFn: () => data(api.GET("/admin/v1/api-keys")) });
  if (error) return <ProblemAlert error={error} />;
  if (!all) return <Loading />;
  return (
    <Stack gap="md">
      {mayEdit ? <NewKey show={setMade} /> : null}
      {made ? <Once title={texts.once} text={made} close={() => setMade(undefined)} /> : null}
      <Listing label={texts.parts.keys} empty={texts.noKeys} heads={[texts.name, texts.may, texts.made, texts.ends, texts.state, ...(mayEdit ? [""] : [])]}
        rows={all.map((one) => ({
          key: one.id,
          cells: [
            <Text key="name" size="sm" className="mono">{one.name}</Text>,
            one.admin_role ? shell.rank[one.admin_role as Rank] : one.roles.join(", ") || texts.noRoles,
            moment(one.created_at), moment(one.expires_at) || texts.never,
            <Badge key="state" variant="light" color={one.revoked_at ? "red" : "teal"}>{one.revoked_at ? texts.revoked : texts.active}</Badge>,
            ...(mayEdit ? [one.revoked_at ? "" : (
              <Confirm key="revoke" label={texts.revoke} lead={texts.revokeLead(one.name)} act={texts.revoke} run={() => call({ method: "DELETE", path: `/api-keys/${encodeURIComponent(one.name)}` })} done={again} />
            )] : []),
          ],
        }))} />
    </Stack>
  );
}

function NewKey({ show }: { show: (key: string) => void }) {
  const { people: texts, shell } = useTexts();
  const { rank } = useMe();
  const { data: read } = useQuery(config);
  const [name, setName] = useState("");
  const [roles, setRoles] = useState<string[]>([]);
  const [admin, setAdmin] = useState<string | null>(null);
  const [ends, setEnds] = useState("");
  const ranks = (["viewer", "editor", "owner"] as Rank[]).filter((one) => rank === "owner" || one !== "owner");
  const make = async () => {
    const body = { name, roles: admin ? [] : roles, ...(admin ? { admin_role: admin } : {}), ...(ends ? { expires_at: new Date(ends).toISOString() } : {}) };
    const answer = await call({ method: "POST", path: "/api-keys", body });
    show(((await answer.json()) as { key: string }).key);
  };
  return (
    <Ask label={texts.newKey} act={texts.make} run={make} done={again} begin={() => { setName(""); setRoles([]); setAdmin(null); setEnds(""); }}>
      <TextInput label={texts.name} required value={name} onChange={(event) => setName(event.currentTarget.value)} />
      <Select label={texts.adminRole} description={texts.adminRoleHint} data={ranks.map((value) => ({ value, label: shell.rank[value] }))} value={admin} onChange={setAdmin} />
      <MultiSelect label={texts.roles} disabled={admin !== null} data={read?.document.roles?.map((one) => one.name) ?? []} value={roles} onChange={setRoles} />
      <TextInput type="datetime-local" label={texts.ends} value={ends} onChange={(event) => setEnds(event.currentTarget.value)} />
    </Ask>
  );
}
