// Why: what was refused and what was slow, the policy tests, the isolation proof and the shadow.
import { lazy } from "react";
import { Parted } from "../../parts/Parted";
import { useTexts } from "../../texts";

const PARTS = {
  requests: lazy(() => import("./Requests")),
  tests: lazy(() => import("./Tests")),
  isolation: lazy(() => import("./Isolation")),
  shadow: lazy(() => import("./Shadow")),
};

export default function Why() {
  return <Parted path="/why" texts={useTexts().why} parts={PARTS} />;
}
