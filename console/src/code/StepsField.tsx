// Steps in their order: each with the form of its kind, the names it knows, and a handle to move it.
import { ActionIcon, Box, Group, Input, Select, Stack, Text, Tooltip, UnstyledButton } from "@mantine/core";
import { useState } from "react";
import type { Step } from "../api/reads";
import { ArrowDown, ArrowUp, ChevronRight, GripVertical, Trash } from "../parts/icons";
import { useTexts } from "../texts";
import { kindsOf, type Root, stepSchema } from "./schema";
import { SchemaForm } from "./SchemaForm";
import classes from "./code.module.css";

type Props = { root: Root; value: Step[]; onChange: (steps: Step[]) => void; names: string[] };

export function StepsField({ root, value, onChange, names }: Props) {
  const texts = useTexts();
  const [opened, setOpened] = useState<number>();
  const [dragged, setDragged] = useState<number>();
  const move = (from: number, to: number) => {
    if (to < 0 || to >= value.length || from === to) return;
    const next = [...value];
    const [one] = next.splice(from, 1);
    if (one) next.splice(to, 0, one);
    setOpened(opened === from ? to : undefined);
    onChange(next);
  };
  return (
    <Input.Wrapper label={texts.editor.steps} labelElement="div">
      <Stack gap={6} component="ol" className={classes.steps}>
        {value.map((step, index) => {
          const kind = step.do ?? step.use ?? "?";
          const schema = step.do === undefined ? undefined : stepSchema(root, step.do);
          const known = [...names, ...bound(value.slice(0, index))];
          return (
            <li key={index} className={classes.step} data-dragged={dragged === index} onDragOver={(event) => event.preventDefault()}
              onDrop={() => { if (dragged !== undefined) move(dragged, index); setDragged(undefined); }}>
              <Group gap={4} wrap="nowrap">
                <Tooltip label={texts.editor.drag}>
                  <Box draggable className={classes.grip} onDragStart={() => setDragged(index)} onDragEnd={() => setDragged(undefined)} aria-hidden><GripVertical size={15} /></Box>
                </Tooltip>
                <UnstyledButton flex={1} miw={0} aria-expanded={opened === index} onClick={() => setOpened(opened === index ? undefined : index)}>
                  <Group gap={6} wrap="nowrap" miw={0}>
                    <ChevronRight size={14} aria-hidden style={{ transform: opened === index ? "rotate(90deg)" : undefined, flex: "none" }} />
                    <Text size="sm" fw={600} className="mono" style={{ flex: "none" }}>{kind}</Text>
                    <Text size="xs" c="dimmed" truncate className="mono">{gist(step)}</Text>
                    <span className="sr">{texts.editor.step(index + 1, kind)}</span>
                  </Group>
                </UnstyledButton>
                <ActionIcon size="sm" variant="subtle" color="gray" disabled={index === 0} aria-label={`${texts.act.up}: ${texts.editor.step(index + 1, kind)}`} onClick={() => move(index, index - 1)}><ArrowUp size={14} /></ActionIcon>
                <ActionIcon size="sm" variant="subtle" color="gray" disabled={index === value.length - 1} aria-label={`${texts.act.down}: ${texts.editor.step(index + 1, kind)}`} onClick={() => move(index, index + 1)}><ArrowDown size={14} /></ActionIcon>
                <ActionIcon size="sm" variant="subtle" color="red" aria-label={`${texts.act.remove}: ${texts.editor.step(index + 1, kind)}`} onClick={() => onChange(value.filter((_, at) => at !== index))}><Trash size={14} /></ActionIcon>
              </Group>
              {opened === index ? (
                <Stack gap="sm" pt="sm" pl={22}>
                  {known.length > 0 ? <Text size="xs" c="dimmed">{texts.editor.knows}: <span className="mono">{known.slice(0, 24).join(", ")}</span></Text> : null}
                  {schema ? (
                    <SchemaForm root={root} schema={schema} value={step} leave={["do"]} names={known}
                      onChange={(next) => onChange(value.map((one, at) => (at === index ? (next as Step) : one)))} />
                  ) : null}
                </Stack>
              ) : null}
            </li>
          );
        })}
      </Stack>
      <Select size="xs" mt={6} maw={260} placeholder={texts.editor.addStep} aria-label={texts.editor.addStep} searchable value={null} data={kindsOf(root)}
        onChange={(kind) => {
          if (!kind) return;
          setOpened(value.length);
          onChange([...value, { do: kind }]);
        }} />
    </Input.Wrapper>
  );
}

/** Names what steps bind for those behind them. */
export function bound(steps: Step[]): string[] {
  return steps.flatMap((step) => [
    ...(typeof step.as === "string" ? [step.as] : []),
    ...(step.do === "set" && typeof step.values === "object" && step.values !== null ? Object.keys(step.values) : []),
  ]);
}

function gist(step: Step): string {
  const about = [step.that, step.table, step.from, step.limit, step.message].find((one) => typeof one === "string");
  return [about, typeof step.as === "string" ? `→ ${step.as}` : ""].filter(Boolean).join(" ");
}
