// Tests that the shown rows have to pass, each of a column, an operator and a value.
import { ActionIcon, Button, Group, Select, Stack, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useState } from "react";
import { Filter, X } from "../../parts/icons";
import { useTexts } from "../../texts";
import type { Column } from "./columns";
import { isAlone, type Operator, OPERATORS, type Test } from "./rows";

export function Filters({ columns, tests, onChange }: { columns: Column[]; tests: Test[]; onChange: (tests: Test[]) => void }) {
  const texts = useTexts().rows;
  const [typed, setTyped] = useState(tests);
  const tell = useDebouncedCallback(onChange, 300);
  const become = (next: Test[]) => { setTyped(next); tell(next); };
  const put = (index: number, change: Partial<Test>) => become(typed.map((one, at) => (at === index ? { ...one, ...change } : one)));
  const first = columns.find((one) => one.type === "text") ?? columns[0];
  return (
    <Stack gap={6}>
      {typed.map((one, index) => (
        <Group key={index} gap={6} role="group" aria-label={texts.test(index + 1)}>
          <Select size="xs" w={170} aria-label={texts.column} data={columns.map(({ name }) => name)} value={one.column} allowDeselect={false} onChange={(column) => column && put(index, { column })} />
          <Select size="xs" w={130} aria-label={texts.operator} data={OPERATORS.map((value) => ({ value, label: texts.operators[value] }))} value={one.operator} allowDeselect={false}
            onChange={(operator) => operator && put(index, { operator: operator as Operator })} />
          {isAlone(one.operator) ? null : <TextInput size="xs" w={200} aria-label={texts.value} value={one.value} onChange={(event) => put(index, { value: event.currentTarget.value })} />}
          <ActionIcon variant="subtle" color="gray" aria-label={`${texts.dropTest}: ${texts.test(index + 1)}`} onClick={() => become(typed.filter((_, at) => at !== index))}><X size={14} /></ActionIcon>
        </Group>
      ))}
      <div>
        <Button size="compact-xs" variant="subtle" leftSection={<Filter size={13} />} onClick={() => become([...typed, { column: first?.name ?? "id", operator: first?.type === "text" ? "ilike" : "eq", value: "" }])}>{texts.addTest}</Button>
      </div>
    </Stack>
  );
}
