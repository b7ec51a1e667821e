// A lane: all that is to be seen of an endpoint or a view, from its address to the tables it touches.
import type { Schemas } from "../../api/client";
import type { Document, Endpoint, SeenRequest, Step, Surface, View } from "../../api/reads";
import { exampleOf } from "../../parts/examples";
import type { Asked } from "../../trace/RunPanel";

export type Finding = Schemas["FindingAnswer"];
export type Passed = { name: string; about: string; does: string[] };
export type Lane = Surface & {
  key: string;
  about: string;
  methodsShown: string[];
  through: Passed[];
  steps: string[];
  table?: string;
  findings: Finding[];
  asked: Asked;
  /** What a search looks in, in small letters. */
  text: string;
};

const BY_ACTION: Record<string, string> = { select: "GET", insert: "POST", update: "PATCH", delete: "DELETE" };

export function lanesOf(document: Document, surface: Surface[], findings: Finding[]): Lane[] {
  const endpoints = new Map(document.endpoints?.map((one) => [one.name, one]));
  const views = new Map(document.views?.map((one) => [one.name, one]));
  const middleware = new Map(document.middleware?.map((one) => [one.name, one]));
  return surface.map((one) => {
    const endpoint = one.kind === "endpoint" ? endpoints.get(one.name) : undefined;
    const view = one.kind === "view" ? views.get(one.name) : undefined;
    const through = one.middleware.map((name) => {
      const said = middleware.get(name);
      return { name, about: said?.description ?? "", does: told((said?.steps ?? []) as Step[]) };
    });
    const steps = told((endpoint?.steps ?? []) as Step[]);
    const methodsShown = one.methods ?? (one.allow ?? ["select"]).map((action) => BY_ACTION[action] ?? action);
    const place = `${one.kind}s/${one.name}`;
    const table = view?.table;
    return {
      ...one,
      key: place,
      about: endpoint?.description ?? view?.description ?? "",
      methodsShown,
      through,
      steps,
      table,
      findings: findings.filter(({ place: at }) => at === place || at.startsWith(`${place}.`)),
      asked: { methods: methodsShown, path: one.path, ...prefilled(endpoint, view) },
      text: [one.name, one.path, ...one.middleware, ...one.writes, ...steps, table ?? ""].join(" ").toLowerCase(),
    };
  });
}

function prefilled(endpoint: Endpoint | undefined, view: View | undefined): Partial<Asked> {
  if (view !== undefined) return { query: "limit=10", body: {} };
  const body = endpoint?.input?.body;
  return { body: endpoint && endpoint.method !== "GET" ? exampleOf(body) : undefined, name: endpoint?.name };
}

/** Names each step in a word or two: what it does, and to which table. */
export function told(steps: Step[]): string[] {
  return steps.map((step) => {
    const about = [step.table, step.from].find((one) => typeof one === "string");
    return [step.do ?? step.use, about].filter(Boolean).join(" ");
  });
}

/** Finds the lane that a request took, by its method and the form of its path. */
export function laneOf(lanes: Lane[], request: SeenRequest): Lane | undefined {
  const method = request.method === "HEAD" ? "GET" : request.method;
  return lanes.find((one) => one.methodsShown.includes(method) && formOf(one.path).test(request.path))
    ?? lanes.find((one) => formOf(one.path).test(request.path));
}

function formOf(path: string): RegExp {
  const literal = path.split(/\{\w+\}/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${literal.join("[^/]+")}$`);
}
