// The frame of every page: the menu, the command palette, the theme, the language, and who is signed in.
import {
  ActionIcon, Alert, AppShell, Badge, Burger, Group, Kbd, Menu, NavLink, ScrollArea, Text, Tooltip, UnstyledButton,
  useComputedColorScheme, useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef } from "react";
import { Link, useLocation } from "react-router";
import { useAway } from "../api/reachable";
import { config, useMe } from "../api/reads";
import { signOut } from "../api/session";
import { PAGES } from "../pages";
import { AlertTriangle, Logout, Moon, Search, Sun, User } from "../parts/icons";
import { type Language, LANGUAGES, useLanguage } from "../texts";
import mark from "./mark.svg";
import { openPalette, Palette } from "./Palette";

export default function Shell({ children }: { children: ReactNode }) {
  const { texts } = useLanguage();
  const [opened, { toggle, close }] = useDisclosure();
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  const away = useAway();
  const { data: read } = useQuery(config);
  const first = useRef(true);
  useEffect(() => {
    close();
    if (!first.current) main.current?.focus(); // so that a screen reader goes on in the new page
    first.current = false;
  }, [pathname, close]);
  const title = PAGES.find(({ paths }) => isAt(pathname, paths[0] ?? ""))?.label?.(texts);
  useEffect(() => {
    document.title = [title, read?.document.project?.name, texts.name].filter(Boolean).join(" · ");
  }, [title, read, texts]);
  return (
    <AppShell header={{ height: 56 }} navbar={{ width: 216, breakpoint: "sm", collapsed: { mobile: !opened } }} padding={{ base: "sm", sm: "lg" }}>
      <a href="#page" className="skip">{texts.nav.skip}</a>
      <AppShell.Header className="rail">
        <Group h="100%" px="md" justify="space-between" wrap="nowrap" gap="xs">
          <Group gap={10} wrap="nowrap" miw={0}>
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={texts.nav.menu} aria-expanded={opened} />
            <img src={mark} width={26} height={26} alt="" />
            <Text fw={700} truncate>{read?.document.project?.name ?? texts.name}</Text>
          </Group>
          <Group gap={6} wrap="nowrap">
            <SearchButton />
            <ThemeSwitch />
            <Account />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar className="rail" p="xs" aria-label={texts.nav.label}>
        <ScrollArea>
          {PAGES.filter(({ label }) => label !== undefined).map(({ paths, label, icon: Icon }) => (
            <NavLink key={paths[0]} component={Link} to={paths[0] ?? "/"} label={label?.(texts)} active={isAt(pathname, paths[0] ?? "")}
              aria-current={isAt(pathname, paths[0] ?? "") ? "page" : undefined}
              leftSection={Icon ? <Icon size={18} stroke={1.7} aria-hidden /> : null} mb={2} style={{ borderRadius: 8 }} />
          ))}
        </ScrollArea>
      </AppShell.Navbar>
      <AppShell.Main id="page" ref={main} tabIndex={-1} style={{ outline: "none" }}>
        {away ? <Alert mb="md" color="yellow" icon={<AlertTriangle size={18} />} role="status">{texts.shell.away}</Alert> : null}
        {children}
      </AppShell.Main>
      <Palette />
    </AppShell>
  );
}

function isAt(pathname: string, path: string): boolean {
  return path === "/" ? pathname === "/" : pathname === path || pathname.startsWith(`${path}/`);
}

function SearchButton() {
  const { texts } = useLanguage();
  return (
    <>
      <UnstyledButton visibleFrom="xs" onClick={openPalette} px="sm" py={6} className="card" style={{ borderRadius: 8 }}>
        <Group gap={8} wrap="nowrap">
          <Search size={15} aria-hidden />
          <Text size="sm" c="dimmed">{texts.shell.paletteShort}</Text>
          <Kbd size="xs">Ctrl K</Kbd>
        </Group>
      </UnstyledButton>
      <ActionIcon hiddenFrom="xs" variant="subtle" color="gray" size="lg" onClick={openPalette} aria-label={texts.shell.palette}>
        <Search size={18} />
      </ActionIcon>
    </>
  );
}

function ThemeSwitch() {
  const { texts } = useLanguage();
  const { setColorScheme } = useMantineColorScheme();
  const isDark = useComputedColorScheme("light") === "dark";
  const label = isDark ? texts.shell.light : texts.shell.dark;
  return (
    <Tooltip label={label}>
      <ActionIcon variant="subtle" color="gray" size="lg" aria-label={label} onClick={() => setColorScheme(isDark ? "light" : "dark")}>
        {isDark ? <Sun size={18} /> : <Moon size={18} />}
      </ActionIcon>
    </Tooltip>
  );
}

function Account() {
  const { texts, language, speak } = useLanguage();
  const me = useMe();
  return (
    <Menu position="bottom-end" width={250}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={texts.shell.account(me.email)}><User size={18} /></ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Group px="sm" py={6} justify="space-between" wrap="nowrap" gap="xs">
          <Text size="sm" truncate>{me.email}</Text>
          <Badge variant="light">{texts.shell.rank[me.rank]}</Badge>
        </Group>
        <Menu.Divider />
        <Menu.Item component={Link} to="/account" leftSection={<User size={16} />}>{texts.account.title}</Menu.Item>
        <Menu.Divider />
        <Menu.Label>{texts.shell.language}</Menu.Label>
        {(Object.keys(LANGUAGES) as Language[]).map((one) => (
          <Menu.Item key={one} lang={one} onClick={() => speak(one)} fw={one === language ? 700 : 400}>{LANGUAGES[one]}</Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item leftSection={<Logout size={16} />} onClick={() => void signOut()}>{texts.shell.signOut}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
