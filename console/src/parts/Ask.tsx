// A dialog with a form: a button opens it, and it closes once what it asked for is done.
import { Button, Group, Modal, ScrollArea, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTexts } from "../texts";
import { Plus } from "./icons";
import { ProblemAlert } from "./Problem";

type Props = { label: string; act: string; run: () => Promise<unknown>; done: () => unknown; begin?: () => void; isPlain?: boolean; children: ReactNode };

export function Ask({ label, act, run, done, begin, isPlain = false, children }: Props) {
  const texts = useTexts().act;
  const [opened, { open, close }] = useDisclosure();
  const running = useMutation({ mutationFn: run, onSuccess: async () => { close(); await done(); } });
  return (
    <>
      <div>
        <Button size="xs" variant={isPlain ? "default" : "filled"} leftSection={isPlain ? undefined : <Plus size={14} />} onClick={() => { begin?.(); running.reset(); open(); }}>{label}</Button>
      </div>
      <Modal opened={opened} onClose={close} title={<Text fw={650}>{label}</Text>} scrollAreaComponent={ScrollArea.Autosize} closeButtonProps={{ "aria-label": texts.close }}>
        <form onSubmit={(event) => { event.preventDefault(); running.mutate(); }}>
          <Stack gap="sm">
            {children}
            {running.error ? <ProblemAlert error={running.error} /> : null}
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>{texts.cancel}</Button>
              <Button type="submit" loading={running.isPending}>{act}</Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
}
