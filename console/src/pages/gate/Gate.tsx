// The start page: every endpoint and view as a lane from the interface to what it does, lit up for whom it is open.
import { Badge, Button, Card, Center, Drawer, Group, SegmentedControl, Stack, Text, TextInput, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useMemo, useRef, useState } from "react";
import { Link } from "react-router";
import { access, config, type SeenRequest, type Surface } from "../../api/reads";
import { Heading } from "../../parts/Heading";
import { History, Plus, Search } from "../../parts/icons";
import { Loading } from "../../parts/Loading";
import { isLetIn, type Person, PersonPicker, usePersonName } from "../../parts/PersonPicker";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { LaneCard } from "./LaneCard";
import { type Lane, lanesOf, laneOf } from "./lanes";
import { Recent } from "./Recent";
import classes from "./gate.module.css";

export default function Gate() {
  const texts = useTexts().gate;
  const surface = useQuery(access);
  const document = useQuery(config);
  const lanes = useMemo(
    () => surface.data && document.data && lanesOf(document.data.document, surface.data.surface, surface.data.findings),
    [surface.data, document.data],
  );
  const error = surface.error ?? document.error;
  if (error) return <ProblemAlert error={error} retry={() => { void surface.refetch(); void document.refetch(); }} />;
  if (lanes === undefined) return <Loading />;
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-end">
        <Heading title={texts.title} lead={texts.lead} />
      </Group>
      {lanes.length === 0 ? <Empty /> : <Lanes lanes={lanes} />}
    </Stack>
  );
}

function Empty() {
  const texts = useTexts().gate;
  return (
    <Card className="card" p="xl">
      <Center>
        <Stack align="center" maw={460} py="xl">
          <Title order={2}>{texts.empty}</Title>
          <Text c="dimmed" ta="center">{texts.emptyLead}</Text>
          <Button component={Link} to="/start" leftSection={<Plus size={16} />}>{texts.emptyAct}</Button>
        </Stack>
      </Center>
    </Card>
  );
}

function Lanes({ lanes }: { lanes: Lane[] }) {
  const texts = useTexts().gate;
  const named = usePersonName();
  const [person, setPerson] = useState<Person>();
  const [search, setSearch] = useState("");
  const [kind, setKind] = useState<"all" | Surface["kind"]>("all");
  const [opened, setOpened] = useState<string>();
  const [seen, setSeen] = useState<SeenRequest>();
  const [recent, { open, close }] = useDisclosure();
  const shown = useMemo(() => {
    const wanted = search.trim().toLowerCase();
    return lanes.filter((one) => (kind === "all" || one.kind === kind) && (wanted === "" || one.text.includes(wanted)));
  }, [lanes, kind, search]);
  const openTo = person === undefined ? 0 : lanes.filter((one) => isLetIn(person, one.access)).length;
  const toggle = useCallback((key: string) => {
    setSeen(undefined);
    setOpened((now) => (now === key ? undefined : key));
  }, []);
  const show = (request: SeenRequest) => {
    const lane = laneOf(lanes, request);
    close();
    if (lane === undefined) return;
    setSearch("");
    setKind("all");
    setSeen(request);
    setOpened(lane.key);
  };
  return (
    <>
      <Group align="flex-end" gap="sm" className={classes.filters}>
        <PersonPicker value={person} onChange={setPerson} optional />
        <TextInput aria-label={texts.filter} placeholder={texts.filter} leftSection={<Search size={16} />} value={search} flex={1} miw={180}
          onChange={(event) => setSearch(event.currentTarget.value)} />
        <SegmentedControl value={kind} onChange={(value) => setKind(value as typeof kind)}
          data={[{ value: "all", label: texts.kinds.all }, { value: "endpoint", label: texts.kinds.endpoint }, { value: "view", label: texts.kinds.view }]} />
        <Button variant="default" leftSection={<History size={16} />} onClick={open}>{texts.recent}</Button>
      </Group>
      <div aria-live="polite">
        {person ? <Badge size="lg" variant="light" color="teal">{texts.open(openTo, lanes.length, named(person))}</Badge> : null}
      </div>
      <div className={classes.head} aria-hidden>
        <span>{texts.columns.interface}</span><span>{texts.columns.access}</span><span>{texts.columns.middleware}</span><span>{texts.columns.endpoint}</span>
      </div>
      {shown.length === 0 ? <Text c="dimmed">{texts.nothingFound}</Text> : (
        <List lanes={shown} person={person} opened={opened} seen={seen} toggle={toggle} />
      )}
      <Drawer opened={recent} onClose={close} position="right" title={<Text fw={650}>{texts.recent}</Text>} size="md"
        closeButtonProps={{ "aria-label": useTexts().act.close }}>
        {recent ? <Recent show={show} lanes={lanes} /> : null}
      </Drawer>
    </>
  );
}

type ListProps = { lanes: Lane[]; person: Person | undefined; opened: string | undefined; seen: SeenRequest | undefined; toggle: (key: string) => void };

/** Only those lanes that are in sight are in the page: there may be thousands. */
function List({ lanes, person, opened, seen, toggle }: ListProps) {
  const list = useRef<HTMLUListElement>(null);
  const rows = useWindowVirtualizer({
    count: lanes.length,
    estimateSize: () => 76,
    overscan: 8,
    getItemKey: (index) => lanes[index]?.key ?? index,
    scrollMargin: list.current?.offsetTop ?? 0,
  });
  return (
    <ul ref={list} className={classes.list} style={{ height: rows.getTotalSize() }}>
      {rows.getVirtualItems().map((item) => {
        const lane = lanes[item.index];
        if (lane === undefined) return null;
        return (
          <li key={item.key} data-index={item.index} ref={rows.measureElement} className={classes.item} aria-setsize={lanes.length} aria-posinset={item.index + 1}
            style={{ transform: `translateY(${item.start - rows.options.scrollMargin}px)` }}>
            <LaneCard lane={lane} person={person} opened={opened === lane.key} seen={opened === lane.key ? seen : undefined} toggle={toggle} />
          </li>
        );
      })}
    </ul>
  );
}
