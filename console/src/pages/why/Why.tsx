// Why: what was refused and what was slow, the policy tests, the isolation proof and the shadow.
import { Stack, Tabs, Text, Title } from "@mantine/core";
import { type ComponentType, lazy, Suspense } from "react";
import { useNavigate, useParams } from "react-router";
import { Loading } from "../../parts/Loading";
import { useTexts } from "../../texts";

const PARTS: Record<"requests" | "tests" | "isolation" | "shadow", ComponentType> = {
  requests: lazy(() => import("./Requests")),
  tests: lazy(() => import("./Tests")),
  isolation: lazy(() => import("./Isolation")),
  shadow: lazy(() => import("./Shadow")),
};
const ALL = Object.keys(PARTS) as (keyof typeof PARTS)[];

export default function Why() {
  const texts = useTexts().why;
  const go = useNavigate();
  const { part = "requests" } = useParams();
  return (
    <Stack gap="md">
      <div>
        <Title order={1}>{texts.title}</Title>
        <Text c="dimmed">{texts.lead}</Text>
      </div>
      <Tabs value={part} onChange={(next) => void go(`/why/${next}`)} keepMounted={false}>
        <Tabs.List mb="md">{ALL.map((one) => <Tabs.Tab key={one} value={one}>{texts.parts[one]}</Tabs.Tab>)}</Tabs.List>
        {ALL.map((one) => {
          const Shown = PARTS[one];
          return <Tabs.Panel key={one} value={one}><Suspense fallback={<Loading />}><Shown /></Suspense></Tabs.Panel>;
        })}
      </Tabs>
    </Stack>
  );
}
