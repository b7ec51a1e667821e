// How the console looks: its colours, type and spacing, in both themes with the contrast that WCAG AA asks for.
import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from "@mantine/core";

const indigo: MantineColorsTuple = [
  "#eef2ff", "#e0e7ff", "#c7d2fe", "#a5b4fc", "#818cf8", "#6366f1", "#4f46e5", "#4338ca", "#3730a3", "#312e81",
];
const slate: MantineColorsTuple = [
  "#f8fafc", "#f1f5f9", "#e2e8f0", "#cbd5e1", "#94a3b8", "#64748b", "#475569", "#334155", "#1e293b", "#0f172a",
];
const dark: MantineColorsTuple = [
  "#dbe2ee", "#b6c1d3", "#98a5bb", "#6b7890", "#334056", "#263247", "#1a2436", "#121a29", "#0d1420", "#090e17",
];

export const theme = createTheme({
  primaryColor: "indigo",
  primaryShade: { light: 7, dark: 6 },
  colors: { indigo, slate, gray: slate, dark },
  fontFamily: 'Inter, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace',
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  headings: { fontWeight: "650", sizes: { h1: { fontSize: "1.5rem" }, h2: { fontSize: "1.15rem" }, h3: { fontSize: "1rem" } } },
  components: {
    Badge: { defaultProps: { tt: "none", fw: 550, radius: "sm" } },
    Tooltip: { defaultProps: { openDelay: 300, withArrow: true, multiline: true, maw: 360 } },
    // A header inside of a dialog is no banner of the page.
    ModalHeader: { defaultProps: { role: "none" } },
    DrawerHeader: { defaultProps: { role: "none" } },
    Modal: { defaultProps: { radius: "lg" } },
  },
});

export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-body": "#f6f8fb",
    "--mantine-color-dimmed": "#55637a",
    "--mantine-color-placeholder": "#64748b",
    "--mantine-color-error": "#b91c1c",
    "--mantine-color-teal-light-color": "#065f46",
    "--mantine-color-orange-light-color": "#8a3a05",
    "--mantine-color-red-light-color": "#991b1b",
    "--mantine-color-yellow-light-color": "#713f12",
    "--mantine-color-gray-light-color": "#334155",
    "--gate-card": "#ffffff",
    "--gate-line": "#dfe5ee",
    "--gate-open": "#047857",
    "--gate-open-soft": "#d7f5e8",
    "--gate-shut": "#b91c1c",
    "--gate-shut-soft": "#fde5e5",
    "--gate-wait": "#b45309",
    "--gate-code": "#eef2f8",
  },
  dark: {
    "--mantine-color-body": "#0d1420",
    "--mantine-color-text": "#dbe2ee",
    "--mantine-color-dimmed": "#98a5bb",
    "--mantine-color-placeholder": "#8592a9",
    "--mantine-color-error": "#fca5a5",
    "--gate-card": "#131c2c",
    "--gate-line": "#263247",
    "--gate-open": "#6ee7b7",
    "--gate-open-soft": "#0d3b30",
    "--gate-shut": "#fca5a5",
    "--gate-shut-soft": "#4a1b22",
    "--gate-wait": "#fcd34d",
    "--gate-code": "#1a2436",
  },
});
