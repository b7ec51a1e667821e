// What a page is called, and what it is for.
import { Text, Title } from "@mantine/core";

export function Heading({ title, lead }: { title: string; lead: string }) {
  return (
    <div>
      <Title order={1}>{title}</Title>
      <Text c="dimmed">{lead}</Text>
    </div>
  );
}
