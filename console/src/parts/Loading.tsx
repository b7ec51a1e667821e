// Says that something is on its way.
import { Center, Loader } from "@mantine/core";
import { useTexts } from "../texts";

export function Loading() {
  const texts = useTexts();
  return (
    <Center mih={240} role="status" aria-label={texts.shell.loading}>
      <Loader size="sm" type="dots" />
    </Center>
  );
}
