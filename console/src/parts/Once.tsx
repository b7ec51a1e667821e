// What is shown this once, such as a key, with a button that copies it.
import { ActionIcon, Alert, CopyButton, Group } from "@mantine/core";
import { useTexts } from "../texts";
import { Check, Copy, Key } from "./icons";

export function Once({ title, text, close }: { title: string; text: string; close: () => void }) {
  const { act } = useTexts();
  return (
    <Alert color="teal" icon={<Key size={18} />} title={title} withCloseButton closeButtonLabel={act.close} onClose={close} role="alert">
      <Group gap={6} wrap="nowrap">
        <span className="code">{text}</span>
        <CopyButton value={text}>
          {({ copied, copy }) => <ActionIcon variant="subtle" color="gray" onClick={copy} aria-label={copied ? act.copied : act.copy}>{copied ? <Check size={16} /> : <Copy size={16} />}</ActionIcon>}
        </CopyButton>
      </Group>
    </Alert>
  );
}
