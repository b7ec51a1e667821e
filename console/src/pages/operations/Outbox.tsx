// The outbox: calls that wait for their delivery or were given up, tried again or dropped.
import { Button, Group, Text } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, call, data, queries } from "../../api/client";
import { useMe } from "../../api/reads";
import { Confirm } from "../../parts/Confirm";
import { Refresh } from "../../parts/icons";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { Listing, moment } from "../people/Listing";
import { Queue } from "./Queue";
import type { Which } from "./reads";

const MOST = 100;
export const again = () => queries.invalidateQueries({ queryKey: ["operations"] });

export default function Outbox() {
  const texts = useTexts().operations;
  const { mayEdit } = useMe();
  const [which, choose] = useState<Which>("waiting");
  const { data: all, error } = useQuery({
    queryKey: ["operations", "outbox", which],
    queryFn: () => data(api.GET("/admin/v1/outbox", { params: { query: { state: which, limit: MOST } } })),
    refetchInterval: 5_000,
  });
  const trying = useMutation({ mutationFn: (id: string) => call({ method: "POST", path: `/outbox/${id}/retry` }), onSettled: again });
  return (
    <Queue queue="outbox" lead={texts.outboxLead} which={which} choose={choose}>
      {trying.error ? <ProblemAlert error={trying.error} /> : null}
      {trying.isSuccess ? <Text size="sm" role="status">{texts.tried}</Text> : null}
      {error ? <ProblemAlert error={error} /> : !all ? <Loading /> : (
        <>
          <Listing label={texts.parts.outbox} empty={texts.noCalls[which]}
            heads={[texts.step, texts.to, texts.made, texts.tries, which === "dead" ? texts.givenUp : texts.next, texts.error, ...(mayEdit ? [""] : [])]}
            rows={all.map((one) => ({
              key: one.id,
              cells: [
                <span key="step" className="mono">{one.step}</span>, <span key="to" className="mono">{one.method} {one.host}</span>,
                moment(one.created_at), one.attempts, moment(which === "dead" ? one.dead_at : one.next_at),
                one.last_error ? <span key="error" className="code">{one.last_error}</span> : "",
                ...(mayEdit ? [
                  <Group key="acts" gap="xs" wrap="nowrap">
                    <Button size="xs" variant="default" leftSection={<Refresh size={14} />} aria-label={texts.tryNowOf(one.step)} onClick={() => trying.mutate(one.id)}>{texts.tryNow}</Button>
                    <Confirm label={texts.drop} lead={texts.dropLead(one.step, one.host)} act={texts.drop} run={() => call({ method: "DELETE", path: `/outbox/${one.id}` })} done={again} />
                  </Group>,
                ] : []),
              ],
            }))} />
          {all.length === MOST ? <Text size="sm" c="dimmed">{texts.more(MOST)}</Text> : null}
        </>
      )}
    </Queue>
  );
}
