// The history: every revision with who made it and why, what it changed, and the way back to it.
import { Badge, Button, Card, Group, SimpleGrid, Stack, Text, Title, UnstyledButton } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useNavigate, useParams } from "react-router";
import { api, data } from "../../api/client";
import { config, useMe } from "../../api/reads";
import { Heading } from "../../parts/Heading";
import { History as Back } from "../../parts/icons";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { Lines, PlanDialog, type Proposal } from "../../plan/PlanDialog";
import { useTexts } from "../../texts";
import classes from "./history.module.css";

const Difference = lazy(() => import("./Difference"));
const PAGE = 50;

export default function History() {
  const texts = useTexts().history;
  const go = useNavigate();
  const { number } = useParams();
  const { mayEdit } = useMe();
  const { data: live } = useQuery(config);
  const [proposal, setProposal] = useState<Proposal>();
  const listing = useInfiniteQuery({
    queryKey: ["definitions", "revisions"],
    queryFn: ({ pageParam }) => data(api.GET("/admin/v1/revisions", { params: { query: { limit: PAGE, ...(pageParam ? { before: pageParam } : {}) } } })),
    initialPageParam: 0,
    getNextPageParam: (last) => (last.length === PAGE ? last.at(-1)?.number : undefined),
  });
  if (listing.error) return <ProblemAlert error={listing.error} />;
  if (!listing.data) return <Loading />;
  const all = listing.data.pages.flat();
  const open = all.find((one) => String(one.number) === number);
  const newest = all[0]?.number;
  return (
    <Stack gap="md">
      <Heading title={texts.title} lead={texts.lead} />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg" style={{ alignItems: "start" }}>
        <Stack gap="xs">
          {all.map((one) => (
            <UnstyledButton key={one.number} className={classes.one} aria-pressed={one === open} onClick={() => void go(`/history/${one.number}`)}>
              <Group justify="space-between" wrap="nowrap">
                <Text fw={600} size="sm">#{one.number}{one.comment ? ` · ${one.comment}` : ""}</Text>
                {one.number === newest ? <Badge variant="light" color="teal">{texts.live}</Badge> : null}
              </Group>
              <Text size="xs" c="dimmed">{new Date(one.created_at).toLocaleString()} · {one.author}</Text>
              <Lines lines={one.changes.slice(0, 3)} />
            </UnstyledButton>
          ))}
          {listing.hasNextPage ? <Button variant="default" loading={listing.isFetchingNextPage} onClick={() => void listing.fetchNextPage()}>{texts.more}</Button> : null}
        </Stack>
        <Card className="card" p="md">
          {open === undefined ? <Text c="dimmed">{texts.pick}</Text> : (
            <Stack gap="sm">
              <Group justify="space-between">
                <Title order={2}>#{open.number}</Title>
                {mayEdit && open.number !== newest ? (
                  <Button size="xs" leftSection={<Back size={14} />} onClick={() => setProposal({ call: { method: "POST", path: `/revisions/${open.number}/restore`, ifMatch: live?.etag ?? "*" } })}>
                    {texts.restore}
                  </Button>
                ) : null}
              </Group>
              <Text size="sm" fw={600}>{texts.document}</Text>
              {open.changes.length === 0 ? <Text size="sm" c="dimmed">{texts.noChanges}</Text> : <Lines lines={open.changes} />}
              <Suspense fallback={<Loading />}><Difference key={open.number} number={open.number} /></Suspense>
            </Stack>
          )}
        </Card>
      </SimpleGrid>
      <PlanDialog proposal={proposal} close={() => setProposal(undefined)} />
    </Stack>
  );
}
