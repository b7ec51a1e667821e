// How somebody has signed in, from where, and what was refused.
import { Badge } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { Schemas } from "../../api/client";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { Listing, moment } from "../people/Listing";

type Read = { queryKey: string[]; queryFn: () => Promise<Schemas["SignInAnswer"][]> };

export function SignIns({ read }: { read: Read }) {
  const texts = useTexts().account;
  const { data: all, error } = useQuery(read);
  if (error) return <ProblemAlert error={error} />;
  if (!all) return <Loading />;
  return (
    <Listing label={texts.signIns} empty={texts.noSignIns} heads={[texts.when, texts.outcome, texts.from, texts.program]}
      rows={all.map((one) => ({
        key: String(one.id),
        cells: [
          moment(one.at),
          <Badge key="outcome" variant="light" color={one.refused ? "red" : "teal"}>{one.refused ? texts.refused[one.refused] : texts.signedIn}</Badge>,
          one.ip ?? "", one.user_agent ?? "",
        ],
      }))} />
  );
}
