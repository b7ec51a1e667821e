// People: users, what roles open, admins, API keys and secrets.
import { lazy } from "react";
import { useMe } from "../../api/reads";
import { Parted } from "../../parts/Parted";
import { useTexts } from "../../texts";
import { Admins } from "./Admins";
import { Keys } from "./Keys";
import { Roles } from "./Roles";
import { Secrets } from "./Secrets";

const PARTS = { users: lazy(() => import("./Users")), roles: Roles, admins: Admins, keys: Keys, secrets: Secrets };

export default function People() {
  const { mayEdit } = useMe();
  return <Parted path="/people" texts={useTexts().people} parts={PARTS} shown={(one) => one !== "secrets" || mayEdit} />;
}
