// The frame of what stands outside of the shell: signing in and the first minute.
import { Center, Group, Paper, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import mark from "./mark.svg";

export function Door({ children, wide = false }: { children: ReactNode; wide?: boolean }) {
  return (
    <Center component="main" mih="100vh" p="md">
      <Stack w="100%" maw={wide ? 760 : 400} gap="lg">
        <Group gap={10} justify="center">
          <img src={mark} width={32} height={32} alt="" />
          <Text fw={700} size="lg">Rowgate</Text>
        </Group>
        <Paper className="card" p={{ base: "md", xs: "xl" }}>{children}</Paper>
      </Stack>
    </Center>
  );
}
