// Tables: the rows of each, and its definition.
import { Stack, Tabs, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "react-router";
import { config } from "../../api/reads";
import { Browse } from "../../code/Browse";
import { DefinitionEditor } from "../../code/DefinitionEditor";
import { useTexts } from "../../texts";
import { columnsOf } from "./columns";
import { Diagram } from "./Diagram";
import { Facts } from "./Facts";
import { Grid } from "./Grid";

const FRESH = { name: "new_table", columns: [{ name: "title", type: "text", required: true }] };

export default function Tables() {
  const texts = useTexts();
  const go = useNavigate();
  const { name, part = "rows" } = useParams();
  const { data: read } = useQuery(config);
  const tables = read?.document.tables ?? [];
  const table = tables.find((one) => one.name === name);
  const names = tables.map((one) => ({ name: one.name, about: one.description ?? (one.columns ?? []).map((column) => column.name).join(", ") }));
  const editor = (
    <DefinitionEditor section="tables" name={name === "+" ? undefined : name} fresh={FRESH} beneath={(definition, draft) => <Facts definition={definition} draft={draft} />} />
  );
  return (
    <Browse section="tables" title={texts.rows.title} lead={texts.rows.lead} names={names} open={name}>
      {name === undefined ? <Stack gap="md"><Text c="dimmed">{texts.editor.pick}</Text>{read ? <Diagram document={read.document} /> : null}</Stack> : table === undefined ? editor : (
        <Tabs value={part} onChange={(next) => void go(`/tables/${name}/${next}`)} keepMounted={false}>
          <Tabs.List mb="md">
            <Tabs.Tab value="rows">{texts.rows.rows}</Tabs.Tab>
            <Tabs.Tab value="definition">{texts.rows.definition}</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="rows"><Grid key={name} table={table.name} columns={columnsOf(table)} /></Tabs.Panel>
          <Tabs.Panel value="definition">{editor}</Tabs.Panel>
        </Tabs>
      )}
    </Browse>
  );
}
