// The frame of a page of definitions: the list on the left, the one that is open beside it.
import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { Link } from "react-router";
import { useMe } from "../api/reads";
import { Heading } from "../parts/Heading";
import { Plus, Search } from "../parts/icons";
import { useTexts } from "../texts";
import type { Section } from "./DefinitionEditor";
import classes from "./code.module.css";

type Props = { section: Section; title: string; lead: string; names: { name: string; about: ReactNode }[]; open: string | undefined; children: ReactNode; tabs?: ReactNode };
const SHOWN = 300;

export function Browse({ section, title, lead, names, open, children, tabs }: Props) {
  const texts = useTexts().editor;
  const { mayEdit } = useMe();
  const [search, setSearch] = useState("");
  const matching = names.filter((one) => one.name.includes(search.trim().toLowerCase()));
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-end">
        <Heading title={title} lead={lead} />
        {mayEdit ? <Button component={Link} to={`/${section}/+`} leftSection={<Plus size={16} />}>{texts.new[section]}</Button> : null}
      </Group>
      {tabs}
      <div className={classes.frame}>
        <Stack gap="xs" component="nav" aria-label={texts.list}>
          <TextInput size="xs" aria-label={texts.filter} placeholder={texts.filter} leftSection={<Search size={14} />} value={search} onChange={(event) => setSearch(event.currentTarget.value)} />
          <div className={classes.list}>
              {matching.slice(0, SHOWN).map((one) => (
                <Link key={one.name} to={`/${section}/${one.name}`} className={classes.one} aria-current={one.name === open ? "page" : undefined}>
                  <Text size="sm" fw={550} truncate>{one.name}</Text>
                  <Text size="xs" className="mono" truncate component="div" style={{ opacity: 0.85 }}>{one.about}</Text>
                </Link>
              ))}
              {matching.length > SHOWN ? <Text size="xs" c="dimmed" p="xs">{texts.moreThan(SHOWN, matching.length)}</Text> : null}
          </div>
        </Stack>
        <div>{children}</div>
      </div>
    </Stack>
  );
}
