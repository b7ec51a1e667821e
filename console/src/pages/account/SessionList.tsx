// The sessions of an account that go on; whoever may ends one of them.
import { Badge, Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { call, queries } from "../../api/client";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { Listing, moment } from "../people/Listing";

type Session = { id: string; created_at: string; refreshed_at: string; ip: string | null; user_agent: string | null; current?: boolean };
type Props = { read: { queryKey: string[]; queryFn: () => Promise<Session[]> }; path: string; mayEnd?: boolean };

export function SessionList({ read, path, mayEnd = true }: Props) {
  const texts = useTexts().account;
  const { data: all, error } = useQuery(read);
  const ending = useMutation({
    mutationFn: (id: string) => call({ method: "DELETE", path: `${path}/${id}` }),
    // With a session the version of its account changes, and so all that was read of it.
    onSettled: () => queries.invalidateQueries({ queryKey: read.queryKey.slice(0, 1) }),
  });
  if (error) return <ProblemAlert error={error} />;
  if (!all) return <Loading />;
  return (
    <>
      {ending.error ? <ProblemAlert error={ending.error} /> : null}
      <Listing label={texts.sessions} empty={texts.noSessions} heads={[texts.began, texts.lastSeen, texts.from, texts.program, ""]}
        rows={all.map((one) => ({
          key: one.id,
          cells: [
            moment(one.created_at), moment(one.refreshed_at), one.ip ?? "", one.user_agent ?? "",
            one.current ? <Badge key="this" variant="light">{texts.thisOne}</Badge>
              : mayEnd ? <Button key="end" size="xs" variant="default" onClick={() => ending.mutate(one.id)}>{texts.end}</Button> : "",
          ],
        }))} />
    </>
  );
}
