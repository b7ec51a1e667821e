// Sends a made-up request through the gate, as anyone, and shows how it went; nothing of it lasts.
import { Alert, Badge, Button, Group, JsonInput, SegmentedControl, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { asJson, fromJson } from "../api/exact";
import { type Document, useMe } from "../api/reads";
import { Play } from "../parts/icons";
import { asSimulated, type Person, PersonPicker } from "../parts/PersonPicker";
import { ProblemAlert } from "../parts/Problem";
import { useTexts } from "../texts";
import { Calls } from "./Calls";
import { type Simulated, simulate, STAGES } from "./trace";
import { TraceView } from "./TraceView";
import { useReveal } from "./reveal";

export type Asked = { methods: string[]; path: string; name?: string; query?: string; body?: unknown };
type Props = {
  asked: Asked;
  person?: Person;
  draft?: Document;
  /** Says that there is no room for two columns. */
  isNarrow?: boolean;
  /** Told how the run went, and how many of its stages are shown so far. */
  onRun?: (run: Simulated | undefined, upTo: number) => void;
};

export function RunPanel({ asked, person, draft, isNarrow = false, onRun }: Props) {
  const texts = useTexts().run;
  const { mayEdit } = useMe();
  const [as, setAs] = useState<Person | undefined>(person);
  const [method, setMethod] = useState(asked.methods[0] ?? "GET");
  const parameters = [...asked.path.matchAll(/\{(\w+)\}/g)].map((one) => one[1] ?? "");
  const [values, setValues] = useState<Record<string, string>>({});
  const [query, setQuery] = useState(asked.query ?? "");
  const [body, setBody] = useState(asked.body === undefined ? "" : JSON.stringify(asked.body, null, 2));
  const path = asked.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ""));
  const hasBody = method !== "GET" && method !== "DELETE";
  const sent = { method, path, query: query.replace(/^\?/, ""), body: hasBody && body.trim() !== "" ? parsed(body) : undefined };
  const running = useMutation({
    mutationFn: () => simulate({ ...sent, as: asSimulated(as), headers: {}, draft }),
  });
  const upTo = useReveal(running.data, STAGES.length, onRun);
  if (!mayEdit) return <Text size="sm" c="dimmed">{texts.editorOnly}</Text>;
  const badJson = hasBody && body.trim() !== "" && sent.body === undefined;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    running.mutate();
  };
  return (
    <SimpleGrid cols={{ base: 1, md: isNarrow ? 1 : 2 }} spacing="lg">
      <form onSubmit={submit}>
        <Stack gap="sm">
          {asked.methods.length > 1 ? <SegmentedControl data={asked.methods} value={method} onChange={setMethod} size="xs" /> : null}
          <PersonPicker label={texts.as} value={as ?? { kind: "anonymous" }} onChange={setAs} w="100%" />
          {parameters.map((name) => (
            <TextInput key={name} label={name} value={values[name] ?? ""} required withAsterisk={false}
              onChange={(event) => { const { value } = event.currentTarget; setValues((all) => ({ ...all, [name]: value })); }} />
          ))}
          <TextInput label={texts.query} value={query} placeholder="limit=10" onChange={(event) => setQuery(event.currentTarget.value)} />
          {hasBody ? (
            <JsonInput label={texts.body} value={body} onChange={setBody} autosize minRows={3} maxRows={12} error={badJson ? texts.badJson : undefined}
              styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: "0.8125rem" } }} />
          ) : null}
          <Group>
            <Button type="submit" loading={running.isPending} disabled={badJson} leftSection={<Play size={15} />}>{texts.send}</Button>
          </Group>
          <Calls sent={sent} person={as} name={parameters.length === 0 ? asked.name : undefined} />
        </Stack>
      </form>
      <div aria-live="polite">
        {running.error ? <ProblemAlert error={running.error} /> : null}
        {running.data ? <Went run={running.data} upTo={upTo} /> : null}
      </div>
    </SimpleGrid>
  );
}

function Went({ run, upTo }: { run: Simulated; upTo: number }) {
  const texts = useTexts().run;
  const done = upTo >= STAGES.length;
  const refusal = run.trace.find((one) => one.refusal !== undefined)?.refusal;
  return (
    <Stack gap="sm">
      {done ? (
        <Alert p="xs" color={refusal ? "red" : "teal"} title={refusal ? texts.refused(run.status, refusal.code) : texts.answered(run.status)}>
          {refusal?.detail}
        </Alert>
      ) : null}
      <TraceView trace={run.trace} upTo={upTo} />
      {done && run.body != null ? (
        <div>
          <Group gap={8} mb={6}><Text size="sm" fw={600}>{texts.answer}</Text><Badge color={refusal ? "red" : "teal"} variant="light">{run.status}</Badge></Group>
          <pre className="code" tabIndex={0}>{typeof run.body === "string" ? run.body : asJson(run.body, 2)}</pre>
        </div>
      ) : null}
    </Stack>
  );
}

function parsed(text: string): unknown {
  try {
    return fromJson(text);
  } catch {
    return undefined;
  }
}
