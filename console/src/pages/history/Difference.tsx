// What a revision's document says otherwise than the one before, line by line.
import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { stringify } from "yaml";
import { api, data } from "../../api/client";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { differing } from "./lines";
import classes from "./history.module.css";

export default function Difference({ number }: { number: number }) {
  const texts = useTexts().history;
  const read = useQuery({
    queryKey: ["revision", number],
    queryFn: async () => {
      const one = (at: number) => data(api.GET("/admin/v1/revisions/{number}", { params: { path: { number: at } } }));
      const [now, before] = await Promise.all([one(number), number > 1 ? one(number - 1) : undefined]);
      const text = (document: unknown) => stringify(document, { lineWidth: 100 }).split("\n");
      return before ? differing(text(before.document), text(now.document)) : null;
    },
    staleTime: Infinity,
  });
  if (read.error) return <ProblemAlert error={read.error} />;
  if (read.isPending) return <Loading />;
  if (read.data === null) return <Text size="sm" c="dimmed">{texts.first}</Text>;
  if (read.data.length === 0) return <Text size="sm" c="dimmed">{texts.same}</Text>;
  return (
    <>
      <Text size="sm" c="dimmed">{texts.before(number - 1)}</Text>
      <pre className={classes.diff} tabIndex={0}>
        {read.data.map(([kind, line], index) => <div key={index} className={classes.line} data-kind={kind}>{kind} {line}</div>)}
      </pre>
    </>
  );
}
