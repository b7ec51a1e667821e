// The audit log: what admins did and who signed in, the newest first, found by a part of it.
import { Button, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "../../api/client";
import { Search } from "../../parts/icons";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { Listing, moment } from "../people/Listing";

const PAGE = 50;

export default function Audit() {
  const texts = useTexts().operations;
  const [typed, setTyped] = useState("");
  const [about] = useDebouncedValue(typed.trim(), 300);
  const listing = useInfiniteQuery({
    queryKey: ["operations", "audit", about],
    queryFn: ({ pageParam }) => data(api.GET("/admin/v1/audit", { params: { query: { limit: PAGE, ...(about ? { about } : {}), ...(pageParam ? { before: pageParam } : {}) } } })),
    initialPageParam: 0,
    getNextPageParam: (last) => (last.length === PAGE ? last.at(-1)?.id : undefined),
  });
  const all = listing.data?.pages.flat();
  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed">{texts.auditLead}</Text>
      <TextInput maw={420} aria-label={texts.filter} placeholder={texts.filter} leftSection={<Search size={16} />} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} />
      {listing.error ? <ProblemAlert error={listing.error} /> : !all ? <Loading /> : (
        <Listing label={texts.parts.audit} empty={about ? texts.nothingFound : texts.noEvents} heads={[texts.at, texts.actor, texts.action, texts.target, texts.detail]}
          rows={all.map((one) => ({
            key: String(one.id),
            cells: [
              <span key="at" style={{ whiteSpace: "nowrap" }}>{moment(one.at)}</span>, <span key="actor" className="mono">{one.actor}</span>, <span key="action" className="code">{one.action}</span>,
              one.target ? <span key="target" className="mono">{one.target}</span> : "",
              Object.keys(one.detail).length > 0 ? <span key="detail" className="mono">{short(one.detail)}</span> : "",
            ],
          }))} />
      )}
      {listing.hasNextPage ? <div><Button variant="default" size="xs" loading={listing.isFetchingNextPage} onClick={() => void listing.fetchNextPage()}>{texts.older}</Button></div> : null}
    </Stack>
  );
}

const LONGEST = 240;

function short(detail: unknown): string {
  const text = JSON.stringify(detail);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
