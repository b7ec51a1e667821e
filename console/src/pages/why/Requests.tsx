// Recent requests: found by id, person, endpoint, code and time, with the story of the one that is open.
import { Autocomplete, Badge, Button, Card, Center, Group, SegmentedControl, Select, Stack, Text, TextInput, Title, UnstyledButton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { isProblem } from "../../api/problem";
import { access, type SeenRequest } from "../../api/reads";
import { ChevronRight, Route, Search } from "../../parts/icons";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { Method, Path } from "../gate/LaneCard";
import { ANY, type Asked, found, lasted, one, useCallerName, usePeople } from "./requests";
import { Story } from "./Story";
import classes from "./why.module.css";

const PAGE = 50;
/** What is asked stands in the address and on the page at once: else who types or clicks on meanwhile does so on the page before. */
const AT_ONCE = { replace: true, flushSync: true };

export default function Requests() {
  const { why: texts, act } = useTexts();
  const { id } = useParams();
  const [search, setSearch] = useSearchParams();
  const asked = Object.fromEntries(Object.keys(ANY).map((name) => [name, search.get(name) ?? ""])) as Asked;
  const [settled] = useDebouncedValue(asked, 250);
  const [limit, setLimit] = useState(PAGE);
  const listing = useQuery(found(settled, limit));
  const all = listing.data ?? [];
  const people = usePeople(all);
  const set = (part: Partial<Asked>) => {
    setLimit(PAGE);
    setSearch(Object.entries({ ...asked, ...part }).filter(([, value]) => value !== ""), AT_ONCE);
  };
  const isAny = Object.values(asked).every((value) => value === "");
  if (listing.isPending) return <Loading />;
  if (listing.data?.length === 0 && isAny && id === undefined) return <Empty />;
  return (
    <Stack gap="md" className={classes.page} data-opened={id !== undefined}>
      <Filters asked={asked} set={set} codes={all} />
      {listing.error ? <ProblemAlert error={listing.error} retry={() => void listing.refetch()} /> : null}
      <div className={classes.frame}>
        <Stack gap="xs" className={classes.listing}>
          <Group justify="space-between">
            <Text size="sm" c="dimmed" role="status">{texts.count(all.length, all.length === limit)}</Text>
            {isAny ? null : <Button size="compact-xs" variant="subtle" onClick={() => setSearch({}, AT_ONCE)}>{texts.clear}</Button>}
          </Group>
          {all.length === 0 ? <Text size="sm">{texts.noneFound}</Text> : null}
          <ul className={classes.list} style={{ listStyle: "none", margin: 0, padding: 0 }}>
            {all.map((seen) => <li key={`${seen.request_id} ${seen.at}`}><Row seen={seen} isOpen={seen.request_id === id} people={people} query={search} /></li>)}
          </ul>
          {all.length === limit ? <Button variant="default" size="xs" loading={listing.isFetching} onClick={() => setLimit(limit + 4 * PAGE)}>{act.more}</Button> : null}
        </Stack>
        {id === undefined ? <Text c="dimmed" className={classes.pick}>{texts.pick}</Text> : (
          <div style={{ minWidth: 0 }}>
            <Button component={Link} to={`/why/requests?${search}`} size="xs" variant="default" mb="sm" className={classes.back} leftSection={<ChevronRight size={14} style={{ transform: "rotate(180deg)" }} />}>{texts.back}</Button>
            <Opened key={id} id={id} />
          </div>
        )}
      </div>
    </Stack>
  );
}

function Empty() {
  const texts = useTexts().why;
  return (
    <Card className="card" p="xl">
      <Center>
        <Stack align="center" maw={480} py="xl">
          <Title order={2} ta="center">{texts.empty}</Title>
          <Text c="dimmed" ta="center">{texts.emptyLead}</Text>
          <Button component={Link} to="/" leftSection={<Route size={16} />}>{texts.emptyAct}</Button>
        </Stack>
      </Center>
    </Card>
  );
}

function Filters({ asked, set, codes }: { asked: Asked; set: (part: Partial<Asked>) => void; codes: SeenRequest[] }) {
  const texts = useTexts().why;
  const { data: read } = useQuery(access);
  const targets = (read?.surface ?? []).map((part) => `${part.kind}s/${part.name}`);
  const known = [...new Set(codes.flatMap((seen) => (seen.code ? [seen.code] : [])))].sort();
  return (
    <Stack gap="xs" className={classes.asked}>
      <SegmentedControl value={asked.which || "all"} onChange={(value) => set({ which: value === "all" ? "" : value })} style={{ alignSelf: "start" }}
        data={[{ value: "all", label: texts.which.all }, { value: "refused", label: texts.which.refused }, { value: "slow", label: texts.which.slow }]} />
      <div className={classes.filters}>
        <TextInput size="xs" label={texts.find} placeholder={texts.findHint} leftSection={<Search size={15} />} value={asked.find} onChange={(event) => set({ find: event.currentTarget.value })} />
        <Autocomplete size="xs" label={texts.caller} placeholder={texts.callerHint} data={["anonymous"]} value={asked.caller} onChange={(caller) => set({ caller })} />
        <Select size="xs" label={texts.target} data={targets} value={asked.target || null} onChange={(target) => set({ target: target ?? "" })} searchable clearable limit={50} />
        <Autocomplete size="xs" label={texts.code} data={known} value={asked.code} onChange={(code) => set({ code })} />
        <Select size="xs" label={texts.when} data={Object.entries(texts.times).map(([value, label]) => ({ value, label }))} value={asked.minutes || "any"} allowDeselect={false}
          onChange={(minutes) => set({ minutes: minutes === "any" || minutes === null ? "" : minutes })} />
      </div>
    </Stack>
  );
}

type RowProps = { seen: SeenRequest; isOpen: boolean; people: Map<string, string>; query: URLSearchParams };

function Row({ seen, isOpen, people, query }: RowProps) {
  const go = useNavigate();
  const named = useCallerName(people);
  return (
    <UnstyledButton className={classes.one} aria-current={isOpen ? "true" : undefined} onClick={() => void go(`/why/requests/${encodeURIComponent(seen.request_id)}?${query}`)}>
      <Group justify="space-between" wrap="nowrap" gap="xs" align="flex-start">
        <Group gap={6} wrap="nowrap" miw={0} align="flex-start"><Method method={seen.method} /><Text component="span" className="mono" style={{ overflowWrap: "anywhere" }}><Path path={seen.path} /></Text></Group>
        <Badge variant="light" style={{ flex: "none" }} color={seen.code ? "red" : "teal"}>{seen.status}</Badge>
      </Group>
      <Text size="xs" c="dimmed" mt={3}>
        {new Date(seen.at).toLocaleTimeString()} · {lasted(seen.milliseconds)} · {named(seen.caller)}{seen.code ? <> · <span className="mono">{seen.code}</span></> : null}
      </Text>
    </UnstyledButton>
  );
}

function Opened({ id }: { id: string }) {
  const texts = useTexts().why;
  const { data: seen, error } = useQuery(one(id));
  if (isProblem(error, "requests.not_found")) return <Text c="dimmed">{texts.gone}</Text>;
  if (error) return <ProblemAlert error={error} />;
  return seen === undefined ? <Loading /> : <Story seen={seen} />;
}
