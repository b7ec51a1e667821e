// A button for what can't be undone: it asks first, and says why it was refused.
import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation } from "@tanstack/react-query";
import { useTexts } from "../texts";
import { Trash } from "./icons";
import { ProblemAlert } from "./Problem";

type Props = { label: string; lead: string; act: string; run: () => Promise<unknown>; done: () => unknown };

export function Confirm({ label, lead, act, run, done }: Props) {
  const texts = useTexts().act;
  const [asking, ask] = useDisclosure();
  const running = useMutation({ mutationFn: run, onSuccess: () => { ask.close(); return done(); } });
  return (
    <>
      <Button size="xs" variant="light" color="red" leftSection={<Trash size={14} />} onClick={() => { running.reset(); ask.open(); }}>{label}</Button>
      <Modal opened={asking} onClose={ask.close} title={<Text fw={650}>{label}</Text>} closeButtonProps={{ "aria-label": texts.close }}>
        <Stack>
          <Text size="sm">{lead}</Text>
          {running.error ? <ProblemAlert error={running.error} /> : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={ask.close}>{texts.cancel}</Button>
            <Button color="red.9" loading={running.isPending} onClick={() => running.mutate()}>{act}</Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
