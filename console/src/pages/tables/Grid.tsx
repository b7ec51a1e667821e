// The rows of a table, page by page, as the server sorts and filters them; a cell is changed in its place.
import { Button, Checkbox, Group, Pagination, ScrollArea, Stack, Table, Text, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { queries } from "../../api/client";
import { useMe } from "../../api/reads";
import { Confirm } from "../../parts/Confirm";
import { ArrowDown, ArrowUp, Plus } from "../../parts/icons";
import { Loading } from "../../parts/Loading";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { Cell } from "./Cell";
import type { Column } from "./columns";
import { CsvIn, CsvOut } from "./Csv";
import { Filters } from "./Filters";
import { NewRow } from "./NewRow";
import { deleteRows, isAlone, type Query, readRows, type Test, testsOf } from "./rows";
import classes from "./tables.module.css";

const PAGE = 50;
type Sorted = { column: string; falling: boolean };

export function Grid({ table, columns }: { table: string; columns: Column[] }) {
  const { rows: texts, act } = useTexts();
  const { mayEdit } = useMe();
  const [tests, setTests] = useState<Test[]>([]);
  const [sorted, setSorted] = useState<Sorted>();
  const [page, setPage] = useState(1);
  const [picked, setPicked] = useState<unknown[]>([]);
  const [adding, add] = useDisclosure();
  const complete = tests.filter((one) => isAlone(one.operator) || one.value !== "");
  const query: Query = [...testsOf(complete), ...(sorted ? [["order", `${sorted.column}.${sorted.falling ? "desc" : "asc"},id`] as [string, string]] : [])];
  const reading = useQuery({
    queryKey: ["definitions", "rows", table, query, page],
    queryFn: () => readRows(table, [...query, ["limit", String(PAGE)], ["offset", String((page - 1) * PAGE)]]),
    placeholderData: (before) => before,
    retry: false,
  });
  const again = async () => {
    setPicked([]);
    await queries.invalidateQueries({ queryKey: ["definitions", "rows", table] });
  };
  const narrow = (next: Test[]) => { setTests(next); setPage(1); setPicked([]); };
  const sort = (column: string) => { setPage(1); setSorted(sorted?.column !== column ? { column, falling: false } : sorted.falling ? undefined : { column, falling: true }); };
  const { rows = [], total = 0 } = reading.data ?? {};
  return (
    <Stack gap="sm">
      <Group justify="space-between" gap="xs">
        <Text size="sm" c="dimmed" role="status">{reading.data ? texts.count(total) : ""}</Text>
        <Group gap="xs">
          {mayEdit && picked.length > 0 ? (
            <Confirm label={texts.delete(picked.length)} lead={texts.deleteLead(table)} act={act.delete} run={() => deleteRows(table, picked)} done={again} />
          ) : null}
          <CsvOut table={table} query={query} total={total} />
          {mayEdit ? <CsvIn table={table} columns={columns} done={again} /> : null}
          {mayEdit ? <Button size="xs" leftSection={<Plus size={14} />} onClick={add.open}>{texts.new}</Button> : null}
        </Group>
      </Group>
      <Filters columns={columns} tests={tests} onChange={narrow} />
      {reading.error ? <ProblemAlert error={reading.error} /> : null}
      {reading.isPending ? <Loading /> : null}
      {reading.data ? (
        <ScrollArea className={classes.grid} viewportProps={{ tabIndex: 0 }}>
          <Table fz="sm" highlightOnHover stickyHeader aria-label={texts.of(table)}>
            <Table.Thead>
              <Table.Tr>
                {mayEdit ? (
                  <Table.Th w={36}>
                    <Checkbox size="xs" aria-label={texts.pickAll} checked={rows.length > 0 && picked.length === rows.length} indeterminate={picked.length > 0 && picked.length < rows.length}
                      onChange={(event) => setPicked(event.currentTarget.checked ? rows.map((row) => row.id) : [])} />
                  </Table.Th>
                ) : null}
                {columns.map((one) => <Head key={one.name} column={one} sorted={sorted} sort={sort} />)}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map((row) => (
                <Table.Tr key={String(row.id)} bg={picked.includes(row.id) ? "var(--mantine-primary-color-light)" : undefined}>
                  {mayEdit ? (
                    <Table.Td>
                      <Checkbox size="xs" aria-label={texts.pick(String(row.id))} checked={picked.includes(row.id)}
                        onChange={(event) => setPicked(event.currentTarget.checked ? [...picked, row.id] : picked.filter((one) => one !== row.id))} />
                    </Table.Td>
                  ) : null}
                  {columns.map((one) => <Cell key={one.name} table={table} row={row} column={one} mayEdit={mayEdit && !one.kept && one.name !== "id"} done={again} />)}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
          {rows.length === 0 ? <Text p="md" size="sm" c="dimmed">{complete.length > 0 ? texts.noneFound : texts.empty}</Text> : null}
        </ScrollArea>
      ) : null}
      {total > PAGE ? (
        <Pagination size="sm" total={Math.ceil(total / PAGE)} value={page} onChange={(next) => { setPage(next); setPicked([]); }}
          getControlProps={(control) => ({ "aria-label": texts.pages[control] })} getItemProps={(number) => ({ "aria-label": texts.page(number) })} />
      ) : null}
      <NewRow table={table} columns={columns} opened={adding} close={add.close} done={again} />
    </Stack>
  );
}

function Head({ column, sorted, sort }: { column: Column; sorted: Sorted | undefined; sort: (column: string) => void }) {
  const texts = useTexts().rows;
  const isSorted = sorted?.column === column.name;
  const Arrow = sorted?.falling ? ArrowDown : ArrowUp;
  return (
    <Table.Th className={classes.th} aria-sort={isSorted ? (sorted.falling ? "descending" : "ascending") : "none"}>
      <UnstyledButton className={classes.head} aria-label={texts.sortBy(column.name)} onClick={() => sort(column.name)}>
        <Text size="xs" fw={650}>{column.name}</Text>
        {isSorted ? <Arrow size={13} aria-hidden /> : null}
      </UnstyledButton>
      <Text span size="xs" c="dimmed" fw={400} ml={6}>{column.target ?? column.type}{column.array ? "[]" : ""}{column.required ? "" : "?"}</Text>
    </Table.Th>
  );
}
