// Mail that waits to be sent or was given up; nothing of what it says.
import { Button, Text } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, call, data } from "../../api/client";
import { useMe } from "../../api/reads";
import { Refresh } from "../../parts/icons";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { Listing, moment } from "../people/Listing";
import { again } from "./Outbox";
import { Queue } from "./Queue";
import type { Which } from "./reads";

const MOST = 100;

export default function Mail() {
  const texts = useTexts().operations;
  const { mayEdit } = useMe();
  const [which, choose] = useState<Which>("waiting");
  const { data: all, error } = useQuery({
    queryKey: ["operations", "mail", which],
    queryFn: () => data(api.GET("/admin/v1/mail/queue", { params: { query: { state: which, limit: MOST } } })),
    refetchInterval: 5_000,
  });
  const trying = useMutation({ mutationFn: (id: string) => call({ method: "POST", path: `/mail/${id}/retry` }), onSettled: again });
  const mayTry = mayEdit && which === "waiting";
  return (
    <Queue queue="mail" lead={texts.mailLead} which={which} choose={choose}>
      {trying.error ? <ProblemAlert error={trying.error} /> : null}
      {trying.isSuccess ? <Text size="sm" role="status">{texts.tried}</Text> : null}
      {error ? <ProblemAlert error={error} /> : !all ? <Loading /> : (
        <>
          <Listing label={texts.parts.mail} empty={texts.noMail[which]}
            heads={[texts.kind, texts.made, texts.tries, which === "dead" ? texts.givenUp : texts.next, texts.ends, texts.error, ...(mayTry ? [""] : [])]}
            rows={all.map((one) => ({
              key: one.id,
              cells: [
                <span key="kind" className="mono">{one.kind}</span>, moment(one.created_at), one.attempts,
                moment(which === "dead" ? one.dead_at : one.next_at), moment(one.expires_at), one.last_error ? <span key="error" className="code">{one.last_error}</span> : "",
                ...(mayTry ? [<Button key="try" size="xs" variant="default" leftSection={<Refresh size={14} />} aria-label={texts.tryNowOf(one.kind)} onClick={() => trying.mutate(one.id)}>{texts.tryNow}</Button>] : []),
              ],
            }))} />
          {which === "dead" && all.length > 0 ? <Text size="sm" c="dimmed">{texts.mailDead}</Text> : null}
          {all.length === MOST ? <Text size="sm" c="dimmed">{texts.more(MOST)}</Text> : null}
        </>
      )}
    </Queue>
  );
}
