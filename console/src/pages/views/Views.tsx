// Views: what each shows of a table and to whom, with the rows that two people see side by side.
import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import { config } from "../../api/reads";
import { Browse } from "../../code/Browse";
import { DefinitionEditor } from "../../code/DefinitionEditor";
import { useTexts } from "../../texts";
import { Preview } from "./Preview";

export default function Views() {
  const texts = useTexts().editor;
  const { name } = useParams();
  const { data: read } = useQuery(config);
  const names = (read?.document.views ?? []).map((one) => ({ name: one.name, about: one.filter ?? one.table }));
  const fresh = { name: "new_view", table: read?.document.tables?.[0]?.name ?? "", access: "authenticated", filter: "false" };
  return (
    <Browse section="views" title={texts.views} lead={texts.viewsLead} names={names} open={name}>
      {name === undefined ? <Text c="dimmed">{texts.pick}</Text> : (
        <DefinitionEditor section="views" name={name === "+" ? undefined : name} fresh={fresh}
          beneath={(definition, draft) => <Preview name={definition.name ?? ""} draft={draft} />} />
      )}
    </Browse>
  );
}
