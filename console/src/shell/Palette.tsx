// The command palette: every page and every definition, by a part of its name.
import { Spotlight, type SpotlightActionData, spotlight } from "@mantine/spotlight";
import "@mantine/spotlight/styles.css";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "react-router";
import { access } from "../api/reads";
import { PAGES } from "../pages";
import { Eye, Search, Stack } from "../parts/icons";
import { useTexts } from "../texts";

export const openPalette = (): void => spotlight.open();

export function Palette() {
  const texts = useTexts();
  const go = useNavigate();
  const { data: read } = useQuery(access);
  const pages: SpotlightActionData[] = PAGES.filter(({ label }) => label !== undefined).map(({ paths, label, icon: Icon }) => ({
    id: paths[0] ?? "",
    label: label?.(texts),
    leftSection: Icon ? <Icon size={18} /> : null,
    onClick: () => void go(paths[0] ?? "/"),
  }));
  const parts: SpotlightActionData[] = (read?.surface ?? []).map((one) => ({
    id: `${one.kind}/${one.name}`,
    label: one.name,
    description: `${one.methods?.join(" ") ?? ""} ${one.path}`.trim(),
    leftSection: one.kind === "view" ? <Eye size={18} /> : <Stack size={18} />,
    onClick: () => void go(`/${one.kind}s/${one.name}`),
  }));
  return (
    <Spotlight actions={[...pages, ...parts]} limit={12} shortcut={["mod + K"]} nothingFound={texts.shell.paletteEmpty} highlightQuery
      searchProps={{ placeholder: texts.shell.palette, "aria-label": texts.shell.palette, leftSection: <Search size={18} /> }} />
  );
}
