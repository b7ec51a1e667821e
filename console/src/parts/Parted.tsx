// A page of several parts, each a tab with an address of its own; the page without one shows the first.
import { Stack, Tabs } from "@mantine/core";
import { type ComponentType, Suspense } from "react";
import { useNavigate, useParams } from "react-router";
import { Heading } from "./Heading";
import { Loading } from "./Loading";

type PartedProps<Part extends string> = {
  path: string;
  texts: { title: string; lead: string; parts: Record<Part, string> };
  parts: Record<Part, ComponentType>;
  shown?: (part: Part) => boolean;
};

export function Parted<Part extends string>({ path, texts, parts, shown = () => true }: PartedProps<Part>) {
  const go = useNavigate();
  const all = (Object.keys(parts) as Part[]).filter(shown);
  const { part = all[0] } = useParams();
  return (
    <Stack gap="md">
      <Heading title={texts.title} lead={texts.lead} />
      <Tabs value={part} onChange={(next) => void go(`${path}/${next}`)} keepMounted={false}>
        <Tabs.List mb="md">{all.map((one) => <Tabs.Tab key={one} value={one}>{texts.parts[one]}</Tabs.Tab>)}</Tabs.List>
        {all.map((one) => {
          const Shown: ComponentType = parts[one];
          return <Tabs.Panel key={one} value={one}><Suspense fallback={<Loading />}><Shown /></Suspense></Tabs.Panel>;
        })}
      </Tabs>
    </Stack>
  );
}
