// Operations: how the servers fare, what waits to be sent, and the audit log.
import { lazy } from "react";
import { Parted } from "../../parts/Parted";
import { useTexts } from "../../texts";
import { Overview } from "./Overview";

const PARTS = {
  overview: Overview,
  outbox: lazy(() => import("./Outbox")),
  mail: lazy(() => import("./Mail")),
  audit: lazy(() => import("./Audit")),
};

export default function Operations() {
  return <Parted path="/operations" texts={useTexts().operations} parts={PARTS} />;
}
