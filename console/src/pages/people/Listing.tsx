// A table of what there is, in a card that scrolls by itself where it is narrow.
import { ScrollArea, Table, Text } from "@mantine/core";
import type { ReactNode } from "react";

const SHORT = 24; // letters that stay in one line: moments, addresses

type Props = { label: string; heads: string[]; rows: { key: string; cells: ReactNode[] }[]; empty: string };

export function Listing({ label, heads, rows, empty }: Props) {
  if (rows.length === 0) return <Text size="sm" c="dimmed">{empty}</Text>;
  return (
    <ScrollArea className="card" viewportProps={{ tabIndex: 0, "aria-label": label, role: "region" }}>
      <Table fz="sm" verticalSpacing="xs" aria-label={label}>
        <Table.Thead><Table.Tr>{heads.map((one, index) => (one === "" ? <Table.Td key={index} /> : <Table.Th key={index} style={{ whiteSpace: "nowrap" }}>{one}</Table.Th>))}</Table.Tr></Table.Thead>
        <Table.Tbody>{rows.map(({ key, cells }) => <Table.Tr key={key}>{cells.map((one, index) => <Table.Td key={index} style={{ whiteSpace: typeof one === "string" && one.length < SHORT ? "nowrap" : undefined }}>{one}</Table.Td>)}</Table.Tr>)}</Table.Tbody>
      </Table>
    </ScrollArea>
  );
}

export const moment = (text: unknown): string => (typeof text === "string" ? new Date(text).toLocaleString() : "");
