// Edits one definition: a form and its YAML beside each other, checked as one types, planned before it is live.
import { Alert, Badge, Button, Group, Stack, Tabs, Text, Title } from "@mantine/core";
import { useDebouncedValue, useMediaQuery } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useEffect, useMemo, useState } from "react";
import { useNavigate } from "react-router";
import { call, type Schemas } from "../api/client";
import { isProblem } from "../api/problem";
import { config, type Document, schema as schemaQuery, useMe } from "../api/reads";
import { AlertTriangle, Trash } from "../parts/icons";
import { Loading } from "../parts/Loading";
import { Fields, ProblemAlert } from "../parts/Problem";
import { PlanDialog, type Proposal } from "../plan/PlanDialog";
import { useTexts } from "../texts";
import { KEPT_AT, type Section, within } from "./drafts";
import { type Definition, diagnosed, read, unreadable, write } from "./places";
import type { Root } from "./schema";
import { SchemaForm } from "./SchemaForm";
import { namesFor } from "./scope";
import classes from "./code.module.css";

export type { Section } from "./drafts";
const CodeEditor = lazy(() => import("./CodeEditor"));
const MODEL: Record<Section, string> = { endpoints: "EndpointDef", middleware: "MiddlewareDef", views: "ViewDef", tables: "TableDef" };

type Props = {
  section: Section;
  /** Undefined makes a new one, which begins as `fresh`. */
  name: string | undefined;
  fresh: Definition;
  /** What is tried with the draft as it stands. */
  beneath?: (definition: Definition, draft: Document) => ReactNode;
};

export function DefinitionEditor({ section, name, fresh, beneath }: Props) {
  const texts = useTexts().editor;
  const document = useQuery(config);
  const schema = useQuery(schemaQuery);
  if (document.error ?? schema.error) return <ProblemAlert error={document.error ?? schema.error} />;
  if (!document.data || !schema.data) return <Loading />;
  const all = (document.data.document[section] ?? []) as unknown as Definition[];
  const stored = name === undefined ? undefined : all.find((one) => one.name === name);
  if (name !== undefined && stored === undefined) return <Text c="dimmed">{texts.gone}</Text>;
  return (
    <Editing key={`${section}/${name}`} section={section} stored={stored} fresh={fresh} root={schema.data as unknown as Root} document={document.data.document}
      etag={document.data.etag} beneath={beneath} />
  );
}

type EditingProps = { section: Section; stored: Definition | undefined; fresh: Definition; root: Root; document: Document; etag: string; beneath: Props["beneath"] };

function Editing({ section, stored, fresh, root, document, etag, beneath }: EditingProps) {
  const texts = useTexts();
  const go = useNavigate();
  const { mayEdit } = useMe();
  const [text, setText, forget, madeFor] = useDraft(`${section}/${stored?.name ?? "+"}`, write(stored ?? fresh), etag);
  const [proposal, setProposal] = useState<Proposal>();
  const narrow = useMediaQuery("(max-width: 75em)");
  const definition = useMemo(() => read(text), [text]);
  const draft = useMemo(() => within(document, section, stored?.name, definition), [document, section, stored, definition]);
  const own = `${section}/${definition?.name ?? ""}`;
  const found = useCheck(draft, own);
  const isChanged = stored === undefined ? text !== write(fresh) : text !== write(stored);
  const diagnostics = useMemo(
    () => definition === undefined ? unreadable(text)
      : [...diagnosed(text, own, found.findings, "error"), ...diagnosed(text, own, found.doubts, "warning")],
    [text, definition, own, found.findings, found.doubts],
  );
  const names = useMemo(() => namesFor(section, definition ?? {}, document), [section, definition, document]);
  const propose = (ifMatch: string) => {
    if (definition === undefined) return;
    const made = stored === undefined
      ? { method: "POST" as const, path: `/${section}`, body: definition }
      : { method: "PUT" as const, path: `/${section}/${stored.name}`, body: definition };
    setProposal({
      call: { ...made, ifMatch },
      done: () => { forget(); void go(`/${section}/${definition.name}`); },
      again: () => propose("*"),
    });
  };
  const remove = () => setProposal({
    call: { method: "DELETE", path: `/${section}/${stored?.name}`, ifMatch: etag },
    done: () => { forget(); void go(`/${section}`); },
  });
  const change = (next: Record<string, unknown>) => setText(write(next as Definition));
  const form = definition === undefined
    ? <Alert color="yellow" icon={<AlertTriangle size={18} />}>{texts.editor.badYaml}</Alert>
    : <SchemaForm root={root} schema={root.$defs[MODEL[section]] ?? {}} value={definition} onChange={change} names={names} leave={["was"]} />;
  const code = (
    <Suspense fallback={<Loading />}>
      <CodeEditor value={text} onChange={setText} label={texts.editor.yamlLabel} diagnostics={diagnostics} names={names} readOnly={!mayEdit} />
    </Suspense>
  );
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Group gap="sm">
          <Title order={2}>{stored?.name ?? texts.editor.new[section]}</Title>
          <Verdict found={found} />
        </Group>
        {mayEdit ? (
          <Group gap="xs">
            {stored ? <Button variant="subtle" color="red" size="xs" leftSection={<Trash size={14} />} onClick={remove}>{texts.editor.delete}</Button> : null}
            {isChanged ? <Button variant="default" size="xs" onClick={forget}>{texts.editor.discard}</Button> : null}
            <Button size="xs" disabled={!isChanged || definition === undefined} onClick={() => propose(madeFor)}>{texts.editor.review}</Button>
          </Group>
        ) : <Text size="sm" c="dimmed">{texts.shell.viewer}</Text>}
      </Group>
      {isChanged && stored ? <Text size="sm" c="dimmed" role="status">{texts.editor.unsaved}</Text> : null}
      {narrow ? (
        <Tabs defaultValue="form" keepMounted={false}>
          <Tabs.List><Tabs.Tab value="form">{texts.editor.form}</Tabs.Tab><Tabs.Tab value="yaml">{texts.editor.yaml}</Tabs.Tab></Tabs.List>
          <Tabs.Panel value="form" pt="md">{form}</Tabs.Panel>
          <Tabs.Panel value="yaml" pt="md">{code}</Tabs.Panel>
        </Tabs>
      ) : <div className={classes.pair}><div>{form}</div><div className={classes.side}>{code}</div></div>}
      <Fields fields={[...found.findings, ...found.doubts].map((one) => ({ ...one, loc: [one.place] }))} />
      {definition && beneath ? beneath(definition, draft) : null}
      <PlanDialog proposal={proposal} close={() => setProposal(undefined)} />
    </Stack>
  );
}

function Verdict({ found }: { found: Found }) {
  const texts = useTexts().editor;
  if (found.checking) return <Badge variant="light" color="gray">{texts.checking}</Badge>;
  if (found.findings.length > 0) return <Badge variant="light" color="red">{texts.findings(found.findings.length)}</Badge>;
  return <Badge variant="light" color={found.doubts.length ? "orange" : "teal"}>{found.doubts.length ? texts.doubts(found.doubts.length) : texts.sound}</Badge>;
}

type Finding = Schemas["FindingAnswer"];
type Found = { findings: Finding[]; doubts: Finding[]; checking: boolean };

/** Checks the document with the draft in it, a moment after the last key; gives what is about the draft. */
function useCheck(draft: Document, own: string): Found {
  const [asked] = useDebouncedValue(draft, 350);
  const checking = useQuery({
    queryKey: ["check", asked],
    queryFn: async () => {
      try {
        return (await (await call({ method: "POST", path: "/check", body: asked })).json()) as Schemas["CheckAnswer"];
      } catch (error) {
        if (!isProblem(error, "definition.invalid")) throw error;
        const findings = error.fields.map((one) => ({ ...one, place: one.loc.join("."), hint: one.hint ?? null }) as unknown as Finding);
        return { valid: false, findings, doubts: [], written_out: [] } as Schemas["CheckAnswer"];
      }
    },
    gcTime: 0,
    staleTime: Infinity,
    placeholderData: (before) => before,
  });
  const about = (all: Finding[] | undefined) => (all ?? []).filter((one) => one.place === own || one.place.startsWith(`${own}.`) || one.place.startsWith(`${own}:`));
  // Both lists keep their identity while nothing new was found.
  return useMemo(
    () => ({ findings: about(checking.data?.findings), doubts: about(checking.data?.doubts), checking: checking.isFetching || asked !== draft }),
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [checking.data, checking.isFetching, asked, draft, own],
  );
}

/** Keeps what is typed, and the ETag that it was begun for, across reloads, until it is live or discarded. */
function useDraft(key: string, stored: string, etag: string): [string, (text: string) => void, () => void, string] {
  const place = `${KEPT_AT}${key}`;
  const [kept, setKept] = useState<{ text: string; etag: string } | undefined>(() => {
    const found = localStorage.getItem(place);
    return found === null ? undefined : (JSON.parse(found) as { text: string; etag: string });
  });
  useEffect(() => {
    if (kept === undefined || kept.text === stored) localStorage.removeItem(place);
    else localStorage.setItem(place, JSON.stringify(kept));
  }, [kept, place, stored]);
  const write = (text: string) => setKept((before) => ({ text, etag: before?.etag ?? etag }));
  const forget = () => {
    localStorage.removeItem(place);
    setKept(undefined);
  };
  return [kept?.text ?? stored, write, forget, kept?.etag ?? etag];
}
