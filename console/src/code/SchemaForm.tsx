// A form that is made of a schema: a new key or kind of step needs nothing here.
import { ActionIcon, Box, Group, NumberInput, Select, Stack, Switch, TagsInput, Textarea, TextInput, Tooltip } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { parseDocument, stringify } from "yaml";
import { X } from "../parts/icons";
import { useTexts } from "../texts";
import { AccessField } from "./AccessField";
import { plain, type Root, type Schema, widgetOf } from "./schema";
import { StepsField } from "./StepsField";

type Value = Record<string, unknown>;
type Props = { root: Root; schema: Schema; value: Value; onChange: (value: Value) => void; names: string[]; leave?: string[] };

/** Shows what is said and what has to be; other keys are added by name. */
export function SchemaForm({ root, schema, value, onChange, names, leave = [] }: Props) {
  const texts = useTexts().editor;
  const properties = Object.entries(schema.properties ?? {}).filter(([name]) => !leave.includes(name));
  const required = schema.required ?? [];
  const shown = properties.filter(([name]) => required.includes(name) || name in value);
  const hidden = properties.filter(([name]) => !required.includes(name) && !(name in value));
  const set = (name: string, next: unknown) => onChange({ ...value, [name]: next });
  const drop = (name: string) => onChange(Object.fromEntries(Object.entries(value).filter(([one]) => one !== name)));
  const order = ([one]: [string, Schema]) => (one === "name" ? 0 : one === "steps" ? 3 : required.includes(one) ? 1 : 2);
  return (
    <Stack gap="sm">
      {[...shown].sort((one, other) => order(one) - order(other)).map(([name, said]) => (
        <Row key={name} name={name} drop={required.includes(name) ? undefined : () => drop(name)}>
          <Field root={root} name={name} schema={said} value={value[name]} onChange={(next) => set(name, next)} names={names} />
        </Row>
      ))}
      {hidden.length > 0 ? (
        <Select size="xs" placeholder={texts.addKey} aria-label={texts.addKey} searchable value={null} maw={260}
          data={hidden.map(([name]) => name)} onChange={(name) => name && set(name, emptyOf(root, name, schema.properties?.[name] ?? {}))} />
      ) : null}
    </Stack>
  );
}

function Row({ name, drop, children }: { name: string; drop?: () => void; children: ReactNode }) {
  const texts = useTexts().editor;
  return (
    <Group gap={6} wrap="nowrap" align="flex-end">
      <Box flex={1} miw={0}>{children}</Box>
      {drop ? (
        <Tooltip label={texts.removeKey(name)}>
          <ActionIcon variant="subtle" color="gray" mb={4} aria-label={texts.removeKey(name)} onClick={drop}><X size={15} /></ActionIcon>
        </Tooltip>
      ) : null}
    </Group>
  );
}

type FieldProps = { root: Root; name: string; schema: Schema; value: unknown; onChange: (value: unknown) => void; names: string[] };

function Field({ root, name, schema, value, onChange, names }: FieldProps) {
  const widget = widgetOf(root, name, schema);
  const said = plain(root, schema);
  const common = { label: name, description: schema.description ?? said.description };
  if (widget === "steps") return <StepsField root={root} value={Array.isArray(value) ? value : []} onChange={onChange} names={names} />;
  if (widget === "access") return <AccessField value={value} onChange={onChange} />;
  if (widget === "choice") {
    const all = (said.enum ?? []).map(String);
    return <Select {...common} data={all} value={value === undefined ? null : String(value)} allowDeselect={false} onChange={(next) => onChange(said.enum?.find((one) => String(one) === next))} />;
  }
  if (widget === "switch") return <Switch {...common} checked={value === true} onChange={(event) => onChange(event.currentTarget.checked)} />;
  if (widget === "number") return <NumberInput {...common} value={typeof value === "number" ? value : ""} onChange={(next) => onChange(next === "" ? undefined : next)} />;
  const isPlain = value === undefined || typeof value === "string";
  if (widget === "text" && isPlain) return <TextInput {...common} value={value ?? ""} classNames={{ input: "mono" }} onChange={(event) => onChange(event.currentTarget.value)} />;
  if (widget === "texts" && (value === undefined || (Array.isArray(value) && value.every((one) => typeof one === "string")))) {
    return <TagsInput {...common} value={(value as string[] | undefined) ?? []} onChange={onChange} />;
  }
  return <YamlField {...common} value={value} onChange={onChange} />;
}

/** A value of any form, as YAML; what can't be read yet isn't passed on. */
function YamlField({ label, description, value, onChange }: { label: string; description?: string; value: unknown; onChange: (value: unknown) => void }) {
  const texts = useTexts().editor;
  const [typed, setTyped] = useState<string>();
  const document = typed === undefined ? undefined : parseDocument(typed);
  const error = document?.errors[0]?.message.split("\n")[0];
  const text = typed ?? (value === undefined ? "" : typeof value === "string" ? value : stringify(value, { flowCollectionPadding: false }).trimEnd());
  return (
    <Textarea label={label} description={description ?? texts.value} value={text} error={error} autosize minRows={1} maxRows={14} classNames={{ input: "mono" }}
      onBlur={() => error || setTyped(undefined)}
      onChange={(event) => {
        const next = event.currentTarget.value;
        setTyped(next);
        const said = parseDocument(next);
        if (said.errors.length === 0) onChange(said.toJS());
      }} />
  );
}

function emptyOf(root: Root, name: string, schema: Schema): unknown {
  if (schema.default !== undefined && schema.default !== null) return schema.default;
  const widget = widgetOf(root, name, schema);
  if (widget === "switch") return true;
  if (widget === "steps" || widget === "texts") return [];
  if (widget === "choice") return plain(root, schema).enum?.[0];
  if (widget === "number") return 1;
  const kind = plain(root, schema).type;
  return kind === "object" ? {} : kind === "array" ? [] : "";
}
