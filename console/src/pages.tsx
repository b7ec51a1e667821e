// The pages: where each stands, what it is called and looks like in the menu, and its file, loaded when it is opened.
import { type ComponentType, lazy } from "react";
import { type Icon, Route } from "./parts/icons";
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
  { paths: ["/start"], Page: lazy(() => import("./pages/start/Start")) },
];
