// Operations: how the servers fare, what waits to be sent, and the audit log.
import { Stack, Tabs, Text, Title } from "@mantine/core";
import { type ComponentType, lazy, Suspense } from "react";
import { useNavigate, useParams } from "react-router";
import { Loading } from "../../parts/Loading";
import { useTexts } from "../../texts";
import { Overview } from "./Overview";

const PARTS: Record<"overview" | "outbox" | "mail" | "audit", ComponentType> = {
  overview: Overview,
  outbox: lazy(() => import("./Outbox")),
  mail: lazy(() => import("./Mail")),
  audit: lazy(() => import("./Audit")),
};
type Part = keyof typeof PARTS;

export default function Operations() {
  const texts = useTexts().operations;
  const go = useNavigate();
  const { part = "overview" } = useParams();
  const all = Object.keys(PARTS) as Part[];
  return (
    <Stack gap="md">
      <div>
        <Title order={1}>{texts.title}</Title>
        <Text c="dimmed">{texts.lead}</Text>
      </div>
      <Tabs value={part} onChange={(next) => void go(next === "overview" ? "/operations" : `/operations/${next}`)} keepMounted={false}>
        <Tabs.List mb="md">{all.map((one) => <Tabs.Tab key={one} value={one}>{texts.parts[one]}</Tabs.Tab>)}</Tabs.List>
        {all.map((one) => {
          const Shown = PARTS[one];
          return <Tabs.Panel key={one} value={one}><Suspense fallback={<Loading />}><Shown /></Suspense></Tabs.Panel>;
        })}
      </Tabs>
    </Stack>
  );
}
