// Picks whom the backend is seen as: a kind of people, a role, or one user found by email.
import { Combobox, InputBase, Loader, useCombobox } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schemas } from "../api/client";
import { type Access, config } from "../api/reads";
import { useTexts } from "../texts";

export type Person =
  | { kind: "anonymous" }
  | { kind: "signedIn" }
  | { kind: "role"; role: string }
  | { kind: "user"; id: string; email: string; roles: string[] };

/** What simulations take for this person. */
export function asSimulated(person: Person | undefined): Schemas["Simulation"]["as"] {
  if (person === undefined || person.kind === "anonymous") return "anonymous";
  if (person.kind === "signedIn") return { roles: [] };
  return person.kind === "role" ? { roles: [person.role] } : { user: person.id };
}

export function isLetIn(person: Person, access: Access): boolean {
  if (access === "public") return true;
  if (person.kind === "anonymous") return false;
  if (access === "authenticated") return true;
  const roles = person.kind === "role" ? [person.role] : person.kind === "user" ? person.roles : [];
  return access.some((one) => roles.includes(one));
}

export function usePersonName(): (person: Person | undefined) => string {
  const texts = useTexts().person;
  return (person) => {
    if (person === undefined) return texts.all;
    if (person.kind === "role") return texts.role(person.role);
    return person.kind === "user" ? person.email : texts[person.kind];
  };
}

type Props = { value: Person | undefined; onChange: (person: Person | undefined) => void; label?: string; optional?: boolean; w?: number | string };

export function PersonPicker({ value, onChange, label, optional = false, w = 240 }: Props) {
  const texts = useTexts().person;
  const named = usePersonName();
  const [search, setSearch] = useState("");
  const [asked] = useDebouncedValue(search.trim(), 250);
  const box = useCombobox({ onDropdownClose: () => setSearch("") });
  const { data: read } = useQuery(config);
  const users = useQuery({
    queryKey: ["users", asked],
    queryFn: () => data(api.GET("/admin/v1/users", { params: { query: asked.includes("@") ? { email: asked } : { limit: 20 } } })),
    enabled: box.dropdownOpened,
  });
  const roles = read?.document.roles ?? [];
  const found = (users.data ?? []).filter((one) => (one.email ?? "").includes(search.trim().toLowerCase())).slice(0, 8);
  const options: Record<string, Person | undefined> = {
    ...(optional ? { all: undefined } : {}),
    anonymous: { kind: "anonymous" },
    signedIn: { kind: "signedIn" },
    ...Object.fromEntries(roles.map((one) => [`role:${one.name}`, { kind: "role", role: one.name }])),
    ...Object.fromEntries(found.map((one) => [`user:${one.id}`, { kind: "user", id: one.id, email: one.email ?? one.id, roles: one.roles }])),
  };
  const matching = (key: string) => named(options[key]).toLowerCase().includes(search.trim().toLowerCase());
  const listed = (prefix: (key: string) => boolean) =>
    Object.keys(options).filter((key) => prefix(key) && matching(key)).map((key) => (
      <Combobox.Option key={key} value={key}>{named(options[key])}</Combobox.Option>
    ));
  const kinds = listed((key) => !key.includes(":"));
  const ofRoles = listed((key) => key.startsWith("role:"));
  const ofUsers = listed((key) => key.startsWith("user:"));
  return (
    <Combobox store={box} onOptionSubmit={(key) => { onChange(options[key]); box.closeDropdown(); }}>
      <Combobox.Target>
        <InputBase w={w} label={label ?? texts.label} value={box.dropdownOpened ? search : named(value)} rightSection={users.isFetching ? <Loader size={14} /> : <Combobox.Chevron />}
          rightSectionPointerEvents="none" onClick={() => box.openDropdown()} onFocus={() => box.openDropdown()} onBlur={() => box.closeDropdown()}
          placeholder={named(value)} onChange={(event) => { setSearch(event.currentTarget.value); box.openDropdown(); }} />
      </Combobox.Target>
      <Combobox.Dropdown>
        <Combobox.Options mah={320} style={{ overflowY: "auto" }}>
          {kinds.length > 0 ? <Combobox.Group label={texts.groupKinds}>{kinds}</Combobox.Group> : null}
          {ofRoles.length > 0 ? <Combobox.Group label={texts.groupRoles}>{ofRoles}</Combobox.Group> : null}
          {ofUsers.length > 0 ? <Combobox.Group label={texts.groupUsers}>{ofUsers}</Combobox.Group> : null}
          {kinds.length + ofRoles.length + ofUsers.length === 0 ? <Combobox.Empty>{texts.none}</Combobox.Empty> : null}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}
