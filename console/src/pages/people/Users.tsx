// Users: found by a part of their address, and the one that is open beside them.
import { Pagination, SimpleGrid, Stack, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import { useMe } from "../../api/reads";
import { Search } from "../../parts/icons";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { readRows } from "../tables/rows";
import { moment } from "./Listing";
import { NewUser } from "./NewUser";
import classes from "./people.module.css";
import { Person } from "./Person";

const PAGE = 25;

export default function Users() {
  const { people: texts, rows: words } = useTexts();
  const go = useNavigate();
  const { id } = useParams();
  const { mayEdit } = useMe();
  const [search, setSearch] = useState("");
  const [typed] = useDebouncedValue(search.trim(), 250);
  const [page, setPage] = useState(1);
  const found = useQuery({
    queryKey: ["users", "found", typed, page],
    queryFn: () => readRows("users", [
      ...(typed === "" ? [] : [["email", `ilike.*${typed}*`] as [string, string]]),
      ["select", "id,email,created_at"], ["order", "created_at.desc,id"], ["limit", String(PAGE)], ["offset", String((page - 1) * PAGE)],
    ]),
    placeholderData: (before) => before,
    retry: false,
  });
  const { rows = [], total = 0 } = found.data ?? {};
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg" style={{ alignItems: "start" }}>
      <Stack gap="xs">
        <TextInput aria-label={texts.search} placeholder={texts.search} leftSection={<Search size={15} />} value={search} onChange={(event) => { setSearch(event.currentTarget.value); setPage(1); }} />
        {mayEdit ? <NewUser /> : null}
        {found.error ? <ProblemAlert error={found.error} /> : null}
        {found.isPending ? <Loading /> : null}
        <Text size="sm" c="dimmed" role="status">{found.data ? texts.count(total) : ""}</Text>
        {rows.map((one) => (
          <UnstyledButton key={String(one.id)} className={classes.one} aria-pressed={one.id === id} onClick={() => void go(`/people/users/${String(one.id)}`)}>
            <Text size="sm" fw={550} truncate>{String(one.email ?? texts.noEmail)}</Text>
            <Text size="xs" c="dimmed">{moment(one.created_at)}</Text>
          </UnstyledButton>
        ))}
        {total > PAGE ? (
          <Pagination size="sm" total={Math.ceil(total / PAGE)} value={page} onChange={setPage}
            getControlProps={(control) => ({ "aria-label": words.pages[control] })} getItemProps={(number) => ({ "aria-label": words.page(number) })} />
        ) : null}
      </Stack>
      {id === undefined ? <Text c="dimmed">{texts.pick}</Text> : <Person key={id} id={id} />}
    </SimpleGrid>
  );
}
