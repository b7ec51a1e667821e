// A new row: a field for each column; what is left alone gets its default.
import { Button, Group, Modal, ScrollArea, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { isProblem } from "../../api/problem";
import { ProblemAlert } from "../../parts/Problem";
import { useTexts } from "../../texts";
import { asValue, type Column } from "./columns";
import { addRows } from "./rows";
import { ValueField } from "./ValueField";

type Props = { table: string; columns: Column[]; opened: boolean; close: () => void; done: () => Promise<void> };

export function NewRow({ opened, close, ...given }: Props) {
  const texts = useTexts();
  return (
    <Modal opened={opened} onClose={close} title={<Text fw={650}>{texts.rows.newIn(given.table)}</Text>} size="lg" scrollAreaComponent={ScrollArea.Autosize}
      closeButtonProps={{ "aria-label": texts.act.close }}>
      {opened ? <Form {...given} close={close} /> : null}
    </Modal>
  );
}

function Form({ table, columns, close, done }: Omit<Props, "opened">) {
  const texts = useTexts();
  const [typed, setTyped] = useState<Record<string, string | null>>({});
  const asked = columns.filter((one) => !one.kept);
  const adding = useMutation({
    mutationFn: () => addRows(table, Object.fromEntries(asked.filter(({ name }) => name in typed).map((one) => [one.name, asValue(one, typed[one.name] ?? null)]))),
    onSuccess: async () => { await done(); close(); },
  });
  const { error } = adding;
  const of = (name: string) => (isProblem(error) ? error.fields.filter((one) => one.loc.includes(name)).map((one) => one.message).join(" ") || undefined : undefined);
  const isTold = isProblem(error) && error.fields.length > 0 && error.fields.every((one) => asked.some(({ name }) => one.loc.includes(name)));
  return (
    <form noValidate onSubmit={(event) => { event.preventDefault(); adding.mutate(); }}>
      <Stack gap="sm">
        {asked.map((one) => (
          <ValueField key={one.name} column={one} text={typed[one.name] ?? null} error={of(one.name)} onChange={(text) => setTyped((all) => ({ ...all, [one.name]: text }))} />
        ))}
        {error instanceof SyntaxError ? <Text size="sm" c="red" role="alert">{texts.run.badJson}</Text> : error && !isTold ? <ProblemAlert error={error} /> : null}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>{texts.act.cancel}</Button>
          <Button type="submit" loading={adding.isPending}>{texts.rows.add}</Button>
        </Group>
      </Stack>
    </form>
  );
}
