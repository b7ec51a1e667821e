// A field for a value of a column: by its type, with references picked by search and JSON as JSON.
import { ActionIcon, JsonInput, Select, TextInput, Tooltip } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { config } from "../../api/reads";
import { X } from "../../parts/icons";
import { useTexts } from "../../texts";
import { type Column, isJson, namedBy } from "./columns";
import { readRows } from "./rows";

type Props = { column: Column; text: string | null; onChange: (text: string | null) => void; error?: string; inGrid?: boolean };
const FOUND = 20;

export function ValueField({ column, text, onChange, error, inGrid = false }: Props) {
  const texts = useTexts().rows;
  const name = inGrid ? { "aria-label": column.name, autoFocus: true, "data-autofocus": true } : { label: column.name, description: column.description };
  const common = { ...name, error, required: column.required === true && column.default == null, withAsterisk: !inGrid && column.required === true && column.default == null };
  if (isJson(column)) {
    return <JsonInput {...common} required={false} value={text ?? ""} placeholder={texts.null} autosize minRows={2} maxRows={14} classNames={{ input: "mono" }} onChange={(next) => onChange(next === "" ? null : next)} />;
  }
  const choices = column.type === "boolean" ? ["true", "false"] : column.type === "enum" ? column.values : undefined;
  if (choices) {
    return <Select {...common} data={choices} value={text} clearable={!column.required} placeholder={texts.null} onChange={onChange} clearButtonProps={{ "aria-label": texts.toNull(column.name) }} />;
  }
  if (column.target) return <Reference {...common} column={column} target={column.target} text={text} onChange={onChange} />;
  return (
    <TextInput {...common} value={text ?? ""} placeholder={text === null ? texts.null : column.type} classNames={{ input: column.type === "text" ? "" : "mono" }}
      onChange={(event) => onChange(event.currentTarget.value)}
      rightSection={text === null || column.required ? null : (
        <Tooltip label={texts.toNull(column.name)}>
          <ActionIcon size="sm" variant="subtle" color="gray" aria-label={texts.toNull(column.name)} onClick={() => onChange(null)}><X size={14} /></ActionIcon>
        </Tooltip>
      )} />
  );
}

type Picked = Omit<Props, "inGrid"> & { target: string };

/** Finds a row of the table that a column leads to by the text that people know it by. */
function Reference({ column, target, text, onChange, ...common }: Picked) {
  const texts = useTexts().rows;
  const { data: read } = useQuery(config);
  const [search, setSearch] = useState("");
  const [typed] = useDebouncedValue(search.trim(), 250);
  const by = read ? namedBy(read.document, target) : column.key;
  const select: [string, string] = ["select", [...new Set([column.key, by])].join(",")];
  const own = useQuery({
    queryKey: ["definitions", "rows", target, "one", column.key, text],
    queryFn: () => readRows(target, [[column.key, `eq.${text}`], select]),
    enabled: text !== null && read !== undefined,
  });
  const nameOf = (row: Record<string, unknown>) => (by === column.key ? String(row[column.key]) : `${String(row[by] ?? "")} · ${String(row[column.key]).slice(0, 8)}`);
  const known = own.data?.rows[0];
  const isOwn = known !== undefined && nameOf(known) === typed;
  const found = useQuery({
    queryKey: ["definitions", "rows", target, "found", by, isOwn ? "" : typed],
    queryFn: () => readRows(target, [...(typed === "" || isOwn ? [] : [[by, by === column.key ? `eq.${typed}` : `ilike.*${typed}*`] as [string, string]]), select, ["limit", String(FOUND)]]),
    enabled: read !== undefined,
    placeholderData: (before) => before,
    retry: false,
  });
  const options = new Map([...(known ? [known] : []), ...(found.data?.rows ?? [])].map((row) => [String(row[column.key]), nameOf(row)]));
  if (text !== null && !options.has(text)) options.set(text, text);
  return (
    <Select {...common} searchable clearable={!column.required} value={text} onChange={onChange} searchValue={search} onSearchChange={setSearch}
      placeholder={texts.searchIn(target)} nothingFoundMessage={texts.noneFound} filter={({ options: all }) => all} clearButtonProps={{ "aria-label": texts.toNull(column.name) }}
      data={[...options].map(([value, label]) => ({ value, label }))} />
  );
}
