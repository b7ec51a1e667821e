// CSV into a table, with its progress and a report of the lines that fail, and out of it as it is filtered and sorted.
import { Alert, Button, FileInput, Group, Modal, Progress, ScrollArea, Stack, Table, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { ArrowDown, ArrowUp } from "../../parts/icons";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import type { Column } from "./columns";
import { type Report, takeIn, takeOut, unknownIn } from "./csv";
import type { Query } from "./rows";

const SHOWN = 200;

export function CsvOut({ table, query, total }: { table: string; query: Query; total: number }) {
  const texts = useTexts().rows;
  const taking = useMutation({
    mutationFn: async () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await takeOut(table, query, total));
      link.download = `${table}.csv`;
      link.click();
      window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    },
  });
  return (
    <>
      {taking.error ? <ProblemAlert error={taking.error} /> : null}
      <Button size="xs" variant="default" leftSection={<ArrowDown size={14} />} loading={taking.isPending} onClick={() => taking.mutate()}>{texts.csvOut}</Button>
    </>
  );
}

type Props = { table: string; columns: Column[]; done: () => Promise<void> };

export function CsvIn(given: Props) {
  const texts = useTexts();
  const [opened, { open, close }] = useDisclosure();
  return (
    <>
      <Button size="xs" variant="default" leftSection={<ArrowUp size={14} />} onClick={open}>{texts.rows.csvIn}</Button>
      <Modal opened={opened} onClose={close} title={<Text fw={650}>{texts.rows.csvInto(given.table)}</Text>} size="lg" scrollAreaComponent={ScrollArea.Autosize}
        closeButtonProps={{ "aria-label": texts.act.close }}>
        {opened ? <Taking {...given} /> : null}
      </Modal>
    </>
  );
}

function Taking({ table, columns, done }: Props) {
  const texts = useTexts().rows;
  const [file, setFile] = useState<File | null>(null);
  const [report, setReport] = useState<Report>();
  const stopped = useRef(false);
  const taking = useMutation({
    mutationFn: async () => {
      stopped.current = false;
      setReport(undefined);
      const text = (await file?.text()) ?? "";
      const unknown = unknownIn(text, columns);
      if (unknown.length > 0) throw new Error(texts.csvUnknown(unknown.join(", ")));
      await takeIn(table, columns, text, (now) => {
        setReport(now);
        return !stopped.current;
      });
    },
    onSettled: done,
  });
  return (
    <Stack>
      <Text size="sm">{texts.csvLead}</Text>
      <FileInput label={texts.csvFile} accept=".csv,text/csv" value={file} onChange={setFile} disabled={taking.isPending} placeholder={texts.csvPick} />
      {taking.error ? (taking.error.constructor === Error ? <Alert color="red" role="alert">{taking.error.message}</Alert> : <ProblemAlert error={taking.error} />) : null}
      {report ? (
        <>
          <Progress value={report.of === 0 ? 100 : (100 * report.done) / report.of} aria-label={texts.csvProgress} />
          <Text size="sm" role="status">{texts.csvReport(report.done, report.of, report.added, report.failed.length)}</Text>
          {report.failed.length > 0 ? (
            <Table fz="sm" withTableBorder>
              <Table.Thead><Table.Tr><Table.Th w={70}>{texts.line}</Table.Th><Table.Th>{texts.why}</Table.Th></Table.Tr></Table.Thead>
              <Table.Tbody>{report.failed.slice(0, SHOWN).map((one) => <Table.Tr key={one.line}><Table.Td className="mono">{one.line}</Table.Td><Table.Td>{one.message}</Table.Td></Table.Tr>)}</Table.Tbody>
            </Table>
          ) : null}
        </>
      ) : null}
      <Group justify="flex-end">
        {taking.isPending ? <Button variant="default" onClick={() => { stopped.current = true; }}>{texts.csvStop}</Button> : null}
        <Button disabled={file === null} loading={taking.isPending} onClick={() => taking.mutate()}>{texts.csvTake}</Button>
      </Group>
    </Stack>
  );
}
