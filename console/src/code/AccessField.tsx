// Who may call: everybody, who is signed in, or who has one of some roles.
import { Group, Input, SegmentedControl, TagsInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { config } from "../api/reads";
import { useTexts } from "../texts";

export function AccessField({ value, onChange }: { value: unknown; onChange: (value: unknown) => void }) {
  const texts = useTexts();
  const { data: read } = useQuery(config);
  const roles = (value as { roles?: string[] } | undefined)?.roles;
  const kind = roles ? "roles" : value === "public" ? "public" : "authenticated";
  return (
    <Input.Wrapper label={texts.editor.access}>
      <Group gap="sm">
        <SegmentedControl value={kind} onChange={(next) => onChange(next === "roles" ? { roles: [] } : next)}
          data={[{ value: "public", label: texts.access.public }, { value: "authenticated", label: texts.access.authenticated }, { value: "roles", label: texts.editor.withRoles }]} />
        {roles ? (
          <TagsInput aria-label={texts.editor.roles} flex={1} miw={160} value={roles} data={read?.document.roles?.map((one) => one.name) ?? []} onChange={(next) => onChange({ roles: next })} />
        ) : null}
      </Group>
    </Input.Wrapper>
  );
}
