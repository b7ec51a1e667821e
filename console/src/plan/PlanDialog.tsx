// Every change is a plan: shows what it does, to whom and to which data, and applies it with a comment.
import { Alert, Badge, Button, Checkbox, Group, Loader, Modal, ScrollArea, Stack, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { type Call, call, type Schemas } from "../api/client";
import { isProblem } from "../api/problem";
import { changed } from "../api/reads";
import { AlertTriangle, Check, Minus, Plus } from "../parts/icons";
import { Fields, ProblemAlert } from "../parts/Problem";
import { useTexts } from "../texts";
import { Conflict } from "./Conflict";

type Plan = Schemas["PlanAnswer"];
export type Proposal = {
  /** The change; its `ifMatch` is the ETag of what was edited. */
  call: Call;
  /** Called once it is live, with the new ETag. */
  done?: (etag: string) => void;
  /** Called where somebody was quicker, to make the proposal for what is live now. */
  again?: () => void;
};

const REFUSED = ["definition.invalid", "document.unreadable"];

export function PlanDialog({ proposal, close }: { proposal: Proposal | undefined; close: () => void }) {
  const texts = useTexts().plan;
  return (
    <Modal opened={proposal !== undefined} onClose={close} title={<Text fw={650}>{texts.title}</Text>} size="lg"
      scrollAreaComponent={ScrollArea.Autosize} closeButtonProps={{ "aria-label": useTexts().act.close }}>
      {proposal ? <Planned proposal={proposal} close={close} /> : null}
    </Modal>
  );
}

function Planned({ proposal, close }: { proposal: Proposal; close: () => void }) {
  const texts = useTexts();
  const planning = useQuery({
    queryKey: ["plan", proposal.call],
    queryFn: async () => {
      const answer = await call({ ...proposal.call, query: { ...proposal.call.query, dry_run: true } });
      return (await answer.json()) as Plan;
    },
    gcTime: 0,
    staleTime: Infinity,
    retry: false,
  });
  if (planning.isPending) return <Group py="xl" justify="center"><Loader size="sm" /><Text>{texts.plan.planning}</Text></Group>;
  if (isProblem(planning.error, "change.revision")) return <Conflict proposal={proposal} close={close} />;
  if (planning.error) {
    const title = isProblem(planning.error, ...REFUSED) ? texts.plan.findings : undefined;
    return <ProblemAlert error={planning.error} title={title} />;
  }
  return <Decide plan={planning.data} proposal={proposal} close={close} />;
}

function Decide({ plan, proposal, close }: { plan: Plan; proposal: Proposal; close: () => void }) {
  const texts = useTexts();
  const [comment, setComment] = useState("");
  const [destroy, setDestroy] = useState<string[]>([]);
  const [wider, setWider] = useState(false);
  const opensMore = plan.effects.some((one) => one.wider);
  const applying = useMutation({
    mutationFn: async () => {
      const query = { ...proposal.call.query, destroy, allow_wider: wider || undefined, comment: comment.trim() || undefined };
      return call({ ...proposal.call, query });
    },
    onSuccess: async (answer) => {
      const etag = answer.headers.get("etag") ?? "*";
      await changed();
      notifications.show({ message: texts.plan.applied, color: "teal", icon: <Check size={16} />, withCloseButton: false });
      proposal.done?.(etag);
      close();
    },
  });
  if (isProblem(applying.error, "change.revision")) return <Conflict proposal={proposal} close={close} />;
  const blocked = plan.tests.failures.length > 0 || plan.destroys.some((one) => !destroy.includes(one)) || (opensMore && !wider);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        applying.mutate();
      }}
    >
      <Stack gap="lg">
        <Section title={texts.plan.changes}>
          {plan.changes.length === 0 ? <Text size="sm" c="dimmed">{texts.plan.nothing}</Text> : <Lines lines={plan.changes} />}
        </Section>
        <Effects plan={plan} />
        {plan.destroys.length > 0 ? (
          <Section title={texts.plan.destroys}>
            <Stack gap="xs">
              {plan.destroys.map((name) => (
                <Checkbox key={name} color="red" checked={destroy.includes(name)} label={texts.plan.destroysAccept(name)}
                  onChange={(event) => {
                    const { checked } = event.currentTarget;
                    setDestroy((all) => (checked ? [...all, name] : all.filter((one) => one !== name)));
                  }} />
              ))}
            </Stack>
          </Section>
        ) : null}
        <Section title={texts.plan.sql}>
          {plan.sql.length === 0 ? <Text size="sm" c="dimmed">{texts.plan.noSql}</Text>
            : <pre className="code" tabIndex={0}>{plan.sql.map((one) => `${one};`).join("\n")}</pre>}
        </Section>
        {plan.holds.length > 0 ? <Section title={texts.plan.holds}><Lines lines={plan.holds} /></Section> : null}
        {plan.written_out.length > 0 ? (
          <Section title={texts.plan.writtenOut}><Lines lines={plan.written_out.map((one) => `${one.said} → ${one.full}`)} /></Section>
        ) : null}
        <Section title={texts.plan.tests}>
          {plan.tests.failures.length === 0 ? <Text size="sm" c="dimmed">{texts.plan.testsPass(plan.tests.count)}</Text> : (
            <Alert color="red" icon={<AlertTriangle size={18} />} title={texts.plan.testsFail(plan.tests.failures.length, plan.tests.count)}>
              <Fields fields={plan.tests.failures.map((one) => ({ ...one, loc: [one.place] }))} />
            </Alert>
          )}
        </Section>
        {opensMore ? <Checkbox color="orange" checked={wider} label={texts.plan.widerAccept} onChange={(event) => setWider(event.currentTarget.checked)} /> : null}
        {applying.error ? <ProblemAlert error={applying.error} /> : null}
        <TextInput label={texts.plan.comment} description={texts.plan.commentHint} maxLength={500} value={comment}
          onChange={(event) => setComment(event.currentTarget.value)} />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>{texts.act.cancel}</Button>
          <Button type="submit" loading={applying.isPending} disabled={blocked || plan.changes.length === 0}>{texts.plan.apply}</Button>
        </Group>
      </Stack>
    </form>
  );
}

function Effects({ plan }: { plan: Plan }) {
  const texts = useTexts().plan;
  const word: Record<string, string> = { gains: texts.gains, loses: texts.loses, may_gain: texts.may_gain };
  return (
    <Section title={texts.effects}>
      {plan.effects.length === 0 ? <Text size="sm" c="dimmed">{texts.noEffects}</Text> : (
        <Stack gap={8}>
          {plan.effects.map((one, index) => (
            <Group key={index} gap={8} wrap="nowrap" align="flex-start">
              {one.effect === "loses" ? <Minus size={16} color="var(--gate-shut)" aria-hidden /> : <Plus size={16} color="var(--gate-open)" aria-hidden />}
              <div>
                <Text size="sm">
                  <b>{one.who}</b> {word[one.effect] ?? one.effect} {one.what} <span className="code">{one.where}</span>
                  {one.wider ? <Badge ml={8} color="orange" variant="light">{texts.wider}</Badge> : null}
                </Text>
                <Text size="xs" c="dimmed">{texts.because} {one.because}</Text>
              </div>
            </Group>
          ))}
        </Stack>
      )}
    </Section>
  );
}

export function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div>
      <Text component="h3" fw={600} size="sm" mb={6}>{title}</Text>
      {children}
    </div>
  );
}

export function Lines({ lines }: { lines: string[] }) {
  return (
    <Stack gap={4}>
      {lines.map((line, index) => <Text key={index} size="sm" className="mono">{line}</Text>)}
    </Stack>
  );
}
