// Says that there is no such page.
import { Button, Stack, Title } from "@mantine/core";
import { Link } from "react-router";
import { useTexts } from "../texts";

export default function NotFound() {
  const texts = useTexts().shell;
  return (
    <Stack align="center" pt={80}>
      <Title order={1}>{texts.notFound}</Title>
      <Button component={Link} to="/">{texts.toGate}</Button>
    </Stack>
  );
}
