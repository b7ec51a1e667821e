// Makes a user, whose address counts as confirmed.
import { MultiSelect, PasswordInput, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { call } from "../../api/client";
import { config } from "../../api/reads";
import { Ask } from "../../parts/Ask";
import { useTexts } from "../../texts";
import { asValue } from "../tables/columns";
import { ValueField } from "../tables/ValueField";
import { again, columnOfUser } from "./Person";

export function NewUser() {
  const { people: texts, signIn } = useTexts();
  const go = useNavigate();
  const { data: read } = useQuery(config);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [roles, setRoles] = useState<string[]>([]);
  const [typed, setTyped] = useState<Record<string, string | null>>({});
  const asked = (read?.document.users?.columns ?? []).map(columnOfUser);
  const begin = () => { setEmail(""); setPassword(""); setRoles([]); setTyped({}); };
  const make = async () => {
    const columns = Object.fromEntries(asked.filter(({ name }) => name in typed).map((one) => [one.name, asValue(one, typed[one.name] ?? null)]));
    const answer = await call({ method: "POST", path: "/users", body: { email, roles, columns, ...(password ? { password } : {}) } });
    const made = (await answer.json()) as { id: string };
    await go(`/people/users/${made.id}`);
  };
  return (
    <Ask label={texts.newUser} act={texts.make} run={make} done={again} begin={begin}>
      <TextInput label={signIn.email} type="email" required value={email} onChange={(event) => setEmail(event.currentTarget.value)} />
      <PasswordInput label={signIn.password} description={texts.passwordHint} autoComplete="new-password" value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
      <MultiSelect label={texts.roles} data={read?.document.roles?.map((one) => one.name) ?? []} value={roles} onChange={setRoles} />
      {asked.map((one) => <ValueField key={one.name} column={one} text={typed[one.name] ?? null} onChange={(text) => setTyped((all) => ({ ...all, [one.name]: text }))} />)}
    </Ask>
  );
}
