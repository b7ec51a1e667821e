// Shows a run stage by stage: what each step asked, what its rules saw, and where it was refused.
import { Badge, Group, Stack, Text, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import type { ReactNode } from "react";
import { asJson } from "../api/exact";
import { Check, ChevronRight, Minus, X } from "../parts/icons";
import { useTexts } from "../texts";
import { type Entry, STAGES, took } from "./trace";
import classes from "./trace.module.css";

export function TraceView({ trace, upTo = STAGES.length }: { trace: Entry[]; upTo?: number }) {
  const texts = useTexts().run;
  return (
    <ol className={classes.stages} aria-label={texts.trace}>
      {STAGES.map((stage, index) => {
        const entry = index < upTo ? trace.find((one) => one.stage === stage) : undefined;
        return (
          <li key={stage} className={classes.stage} data-decision={entry?.decision ?? "none"}>
            <Dot entry={entry} />
            <div className={classes.told}>
              <Group gap={8} justify="space-between" wrap="nowrap">
                <Text size="sm" fw={600} c={entry ? undefined : "dimmed"}>{texts.stages[stage]}</Text>
                <Text size="xs" c="dimmed">{entry === undefined ? texts.notReached : entry.microseconds > 0 ? took(entry.microseconds) : ""}</Text>
              </Group>
              {entry ? <Told entry={entry} /> : null}
            </div>
          </li>
        );
      })}
    </ol>
  );
}

function Dot({ entry }: { entry: Entry | undefined }) {
  const Icon = entry === undefined ? Minus : entry.decision === "refused" ? X : Check;
  return <span className={classes.dot}><Icon size={12} stroke={3} aria-hidden /></span>;
}

function Told({ entry }: { entry: Entry }) {
  const texts = useTexts().run;
  const { steps = [], refusal, statements = [] } = entry;
  const byStep = steps.some((one) => one.decision === "refused");
  return (
    <Stack gap={6} mt={4}>
      {steps.map((one, index) => <StepTold key={index} entry={one} />)}
      {refusal && !byStep ? <Refusal refusal={refusal} /> : null}
      <Rows entry={entry} />
      {statements.length > 0 ? <More label={`${texts.sql} (${statements.length})`}><Statements entry={entry} /></More> : null}
    </Stack>
  );
}

function StepTold({ entry }: { entry: Entry }) {
  const texts = useTexts().run;
  const { rules = [], bound = {}, statements = [], steps = [] } = entry;
  const isRefused = entry.decision === "refused";
  const names = Object.keys(bound);
  return (
    <div className={classes.step} data-decision={entry.decision}>
      <Group gap={8} wrap="nowrap" justify="space-between">
        <Text size="sm" className="mono" fw={600}>{entry.step}{entry.name ? ` · ${entry.name}` : ""}</Text>
        <Badge size="sm" variant="light" color={isRefused ? "red" : entry.decision === "passed" || entry.decision === "answered" ? "teal" : "gray"}>
          {texts.decisions[entry.decision]}
        </Badge>
      </Group>
      {entry.place ? <Text size="xs" c="dimmed" className="mono">{entry.place}</Text> : null}
      {rules.map((rule, index) => (
        <div key={index}>
          <Text size="xs"><span className="mono">{rule.field}:</span> <span className="code">{rule.text}</span></Text>
          <Values of={rule.saw} word={texts.saw} />
        </div>
      ))}
      {entry.refusal ? <Refusal refusal={entry.refusal} /> : null}
      <Rows entry={entry} />
      {names.length > 0 ? <More label={`${texts.bound} ${names.join(", ")}`}><pre className="code" tabIndex={0}>{asJson(bound, 2)}</pre></More> : null}
      {statements.length > 0 ? <More label={`${texts.sql} (${statements.length})`}><Statements entry={entry} /></More> : null}
      {steps.map((one, index) => <StepTold key={index} entry={one} />)}
    </div>
  );
}

function Refusal({ refusal }: { refusal: NonNullable<Entry["refusal"]> }) {
  return (
    <Text size="sm" className={classes.refusal}>
      <b>{refusal.status}</b> <span className="mono">{refusal.code}</span> {refusal.detail}
    </Text>
  );
}

function Rows({ entry }: { entry: Entry }) {
  const texts = useTexts().run;
  if (entry.rows_before_filter == null || entry.rows_after_filter == null) return null;
  return <Text size="sm">{texts.rowsOf(entry.rows_after_filter, entry.rows_before_filter)}</Text>;
}

function Values({ of, word }: { of: Record<string, unknown>; word: string }) {
  const names = Object.keys(of);
  if (names.length === 0) return null;
  return (
    <dl className={classes.values}>
      {names.map((name) => (
        <div key={name}>
          <dt className="mono">{name} <span className="sr">{word}</span></dt>
          <dd className="mono">{asJson(of[name])}</dd>
        </div>
      ))}
    </dl>
  );
}

function Statements({ entry }: { entry: Entry }) {
  return (
    <Stack gap={6}>
      {entry.statements?.map((one, index) => (
        <pre key={index} className="code" tabIndex={0}>{one.sql}{"\n"}{asJson(one.parameters)} → {one.rows ?? "?"} · {took(one.microseconds)}</pre>
      ))}
    </Stack>
  );
}

export function More({ label, children }: { label: string; children: ReactNode }) {
  const [opened, { toggle }] = useDisclosure();
  return (
    <div>
      <UnstyledButton onClick={toggle} aria-expanded={opened} className={classes.more}>
        <ChevronRight size={13} aria-hidden style={{ transform: opened ? "rotate(90deg)" : undefined }} />
        <Text size="xs" c="dimmed">{label}</Text>
      </UnstyledButton>
      {opened ? children : null}
    </div>
  );
}
