// The pages: where each stands, what it is called and looks like in the menu, and its file, loaded when it is opened.
import { type ComponentType, lazy } from "react";
import { Eye, GitBranch, History, type Icon, Route, Stack, Table, Users } from "./parts/icons";
import type { Texts } from "./texts/en";

export type Listed = {
  /** The addresses it answers to; the first is the menu's. */
  paths: string[];
  /** Its name in the menu; without one it isn't there. */
  label?: (texts: Texts) => string;
  icon?: Icon;
  Page: ComponentType;
};

export const PAGES: Listed[] = [
  { paths: ["/"], label: (texts) => texts.nav.gate, icon: Route, Page: lazy(() => import("./pages/gate/Gate")) },
  {
    paths: ["/endpoints", "/endpoints/:name"],
    label: (texts) => texts.nav.endpoints,
    icon: Stack,
    Page: lazy(() => import("./pages/endpoints/Endpoints")),
  },
  {
    paths: ["/middleware", "/middleware/:name"],
    label: (texts) => texts.editor.middleware,
    icon: GitBranch,
    Page: lazy(() => import("./pages/middleware/Middleware")),
  },
  {
    paths: ["/views", "/views/:name"],
    label: (texts) => texts.nav.views,
    icon: Eye,
    Page: lazy(() => import("./pages/views/Views")),
  },
  {
    paths: ["/tables", "/tables/:name", "/tables/:name/:part"],
    label: (texts) => texts.rows.title,
    icon: Table,
    Page: lazy(() => import("./pages/tables/Tables")),
  },
  {
    paths: ["/people", "/people/:part", "/people/:part/:id"],
    label: (texts) => texts.people.title,
    icon: Users,
    Page: lazy(() => import("./pages/people/People")),
  },
  { paths: ["/history", "/history/:number"], label: (texts) => texts.nav.history, icon: History, Page: lazy(() => import("./pages/history/History")) },
  { paths: ["/account"], Page: lazy(() => import("./pages/account/Account")) },
  { paths: ["/start"], Page: lazy(() => import("./pages/start/Start")) },
];
