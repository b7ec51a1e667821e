// People: users, what roles open, admins, API keys and secrets.
import { Stack, Tabs, Text, Title } from "@mantine/core";
import { type ComponentType, lazy, Suspense } from "react";
import { useNavigate, useParams } from "react-router";
import { useMe } from "../../api/reads";
import { Loading } from "../../parts/Loading";
import { useTexts } from "../../texts";
import { Admins } from "./Admins";
import { Keys } from "./Keys";
import { Roles } from "./Roles";
import { Secrets } from "./Secrets";

const PARTS: Record<"users" | "roles" | "admins" | "keys" | "secrets", ComponentType> = {
  users: lazy(() => import("./Users")), roles: Roles, admins: Admins, keys: Keys, secrets: Secrets,
};
type Part = keyof typeof PARTS;

export default function People() {
  const texts = useTexts().people;
  const go = useNavigate();
  const { mayEdit } = useMe();
  const { part = "users" } = useParams();
  const all = (Object.keys(PARTS) as Part[]).filter((one) => one !== "secrets" || mayEdit);
  return (
    <Stack gap="md">
      <div>
        <Title order={1}>{texts.title}</Title>
        <Text c="dimmed">{texts.lead}</Text>
      </div>
      <Tabs value={part} onChange={(next) => void go(`/people/${next}`)} keepMounted={false}>
        <Tabs.List mb="md">{all.map((one) => <Tabs.Tab key={one} value={one}>{texts.parts[one]}</Tabs.Tab>)}</Tabs.List>
        {all.map((one) => {
          const Shown = PARTS[one];
          return <Tabs.Panel key={one} value={one}><Suspense fallback={<Loading />}><Shown /></Suspense></Tabs.Panel>;
        })}
      </Tabs>
    </Stack>
  );
}
