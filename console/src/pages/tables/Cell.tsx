// A cell: what it holds, and on a click its field, which is saved alone and says why it wasn't.
import { ActionIcon, Group, Table, Text, UnstyledButton } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Check, X } from "../../parts/icons";
import { Value } from "../../parts/Value";
import { useTexts } from "../../texts";
import { asText, asValue, type Column, isJson } from "./columns";
import { saidOf } from "./csv";
import { changeRow, type Row, shown } from "./rows";
import classes from "./tables.module.css";
import { ValueField } from "./ValueField";

type Props = { table: string; row: Row; column: Column; mayEdit: boolean; done: () => Promise<void> };

export function Cell({ table, row, column, mayEdit, done }: Props) {
  const texts = useTexts().rows;
  const [editing, setEditing] = useState(false);
  const value = row[column.name];
  if (editing) return <Table.Td className={classes.editing}><Editing table={table} row={row} column={column} done={done} close={() => setEditing(false)} /></Table.Td>;
  const text = value === null || value === undefined
    ? <Text span size="sm" c="dimmed" fs="italic">{texts.null}</Text>
    : <span className={`${classes.text} ${isText(column) ? "" : "mono"}`}><Value text={shown(column, value)} /></span>;
  return (
    <Table.Td className={classes.cell}>
      {mayEdit ? <UnstyledButton className={classes.open} title={texts.change(column.name)} onClick={() => setEditing(true)}>{text}</UnstyledButton> : text}
    </Table.Td>
  );
}

function Editing({ table, row, column, done, close }: Omit<Props, "mayEdit"> & { close: () => void }) {
  const texts = useTexts();
  const [typed, setTyped] = useState(asText(column, row[column.name]));
  const saving = useMutation({
    mutationFn: async () => {
      if (!(await changeRow(table, row, column.name, asValue(column, typed)))) throw new Error(texts.rows.changedMeanwhile);
    },
    onSuccess: async () => { await done(); close(); },
  });
  const error = saving.error ? (saving.error instanceof SyntaxError ? texts.run.badJson : saidOf(saving.error)) : undefined;
  return (
    <form onSubmit={(event) => { event.preventDefault(); saving.mutate(); }}
      onKeyDown={(event) => {
        if (event.key === "Escape") close();
        if (event.key === "Enter" && isJson(column) && (event.ctrlKey || event.metaKey)) saving.mutate();
      }}>
      <Group gap={4} wrap="nowrap" align="flex-start">
        <div style={{ flex: 1, minWidth: 200 }}><ValueField column={column} text={typed} onChange={setTyped} error={error} inGrid /></div>
        <ActionIcon type="submit" variant="light" size="lg" loading={saving.isPending} aria-label={texts.act.save}><Check size={16} /></ActionIcon>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={texts.act.cancel} onClick={close}><X size={16} /></ActionIcon>
      </Group>
    </form>
  );
}

const isText = (column: Column): boolean => column.type === "text" || column.type === "enum";
