// Shows why something failed: the server's sentence, its hint, each field, and the code to look it up by.
import { Alert, Anchor, Button, Center, Group, List, Stack, Text } from "@mantine/core";
import { useRouteError } from "react-router";
import { Problem, type ProblemField, Unreachable } from "../api/problem";
import { useTexts } from "../texts";
import { AlertTriangle } from "./icons";

export function ProblemAlert({ error, title, retry }: { error: unknown; title?: string; retry?: () => void }) {
  const texts = useTexts();
  if (error instanceof Problem) {
    const { detail, hint, code, request_id } = error.document;
    return (
      <Alert color="red" variant="light" icon={<AlertTriangle size={18} />} title={title ?? texts.problem.title} role="alert">
        <Stack gap={6}>
          <Text size="sm">{detail}</Text>
          {hint ? <Text size="sm" c="dimmed">{hint}</Text> : null}
          <Fields fields={error.fields} />
          <Text size="xs" c="dimmed" className="mono">
            {[code && texts.problem.code(code), request_id && texts.problem.request(request_id)].filter(Boolean).join(" · ")}
          </Text>
          {retry ? <Retry retry={retry} /> : null}
        </Stack>
      </Alert>
    );
  }
  const away = error instanceof Unreachable;
  return (
    <Alert color={away ? "yellow" : "red"} variant="light" icon={<AlertTriangle size={18} />} role="alert"
      title={away ? texts.problem.unreachable : texts.problem.unexpected}>
      <Stack gap={6}>
        {away ? null : <Text size="sm">{String(error)}</Text>}
        {retry ? <Retry retry={retry} /> : null}
      </Stack>
    </Alert>
  );
}

function Retry({ retry }: { retry: () => void }) {
  const texts = useTexts();
  return (
    <Group>
      <Button size="xs" variant="default" onClick={retry}>{texts.act.retry}</Button>
    </Group>
  );
}

/** The fields that failed, with what stands there. */
export function Fields({ fields }: { fields: ProblemField[] }) {
  if (fields.length === 0) return null;
  return (
    <List size="sm" spacing={6} listStyleType="none">
      {fields.map((field, index) => (
        <List.Item key={index}>
          <span className="code">{field.loc.filter((part) => part !== "body").join(".") || field.code}</span>{" "}
          {field.message}
          {field.hint ? <Text component="span" c="dimmed" size="sm"> {field.hint}</Text> : null}
          {field.excerpt ? <pre className="code">{field.excerpt}</pre> : null}
        </List.Item>
      ))}
    </List>
  );
}

/** What is shown in place of a page that fell. */
export function Crash() {
  const texts = useTexts();
  const error = useRouteError();
  return (
    <Center p="xl">
      <Stack maw={560}>
        <ProblemAlert error={error} retry={() => window.location.reload()} />
        <Anchor href="/console/">{texts.shell.toGate}</Anchor>
      </Stack>
    </Center>
  );
}
