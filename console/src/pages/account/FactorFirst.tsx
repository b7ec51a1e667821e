// What an admin sees who has to add a second factor before anything else.
import { Anchor, Stack, Text, Title } from "@mantine/core";
import { signOut } from "../../api/session";
import { Door } from "../../shell/Door";
import { useTexts } from "../../texts";
import { Factors } from "./Factors";

export default function FactorFirst() {
  const { account: texts, shell } = useTexts();
  return (
    <Door wide>
      <Stack>
        <div>
          <Title order={1}>{texts.neededTitle}</Title>
          <Text c="dimmed" size="sm">{texts.neededLead}</Text>
        </div>
        <Factors />
        <Anchor component="button" type="button" size="sm" onClick={() => void signOut()}>{shell.signOut}</Anchor>
      </Stack>
    </Door>
  );
}
