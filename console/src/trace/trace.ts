// What a simulation tells of a run: stages, the steps in them, the rules and statements of those.
import { call, type Schemas } from "../api/client";
import { exactly } from "../api/exact";

export type Rule = { field: string; text: string; saw: Record<string, unknown> };
export type Statement = { sql: string; parameters: unknown[]; rows: number | null; microseconds: number };
export type Entry = {
  stage?: string;
  step?: string;
  name?: string | null;
  place?: string;
  decision: "passed" | "answered" | "skipped" | "stubbed" | "refused";
  microseconds: number;
  rules?: Rule[];
  refusal?: { status: number; code: string; detail: string };
  bound?: Record<string, unknown>;
  statements?: Statement[];
  steps?: Entry[];
  rows_before_filter?: number | null;
  rows_after_filter?: number | null;
};
export type Simulated = Omit<Schemas["SimulationAnswer"], "trace"> & { trace: Entry[] };
/** Sends a request through the pipeline, which is rolled back; the values of its rows keep every digit. */
export async function simulate(said: unknown): Promise<Simulated> {
  return (await exactly(await call({ method: "POST", path: "/simulate", body: said }))) as Simulated;
}

export const STAGES = ["accept", "authenticate", "authorize", "bind", "chain", "execute", "respond"] as const;

export function took(microseconds: number): string {
  return microseconds < 1000 ? `${microseconds} µs` : `${(microseconds / 1000).toFixed(1)} ms`;
}

/** Makes a simulation's answer of what is remembered of a request, as far as that goes. */
export function remembered(seen: Schemas["SeenRequest"]): Entry[] {
  const refused = Boolean(seen.code);
  const decides = seen.step as { step?: string; place?: string; rules?: Rule[] } | undefined;
  const refusal = { status: seen.status, code: seen.code ?? "", detail: seen.detail ?? "" };
  return seen.stages.map(({ stage, milliseconds }) => {
    const isLast = refused && stage === seen.stage;
    const steps: Entry[] = seen.steps.filter((one) => stageOf(one.place, seen) === stage).map((one) => ({
      step: one.step, name: one.name, place: one.place, decision: "passed", microseconds: Math.round(one.milliseconds * 1000),
    }));
    const last = steps.at(-1);
    if (isLast && last !== undefined && last.place === decides?.place) Object.assign(last, { rules: decides?.rules, decision: "refused", refusal });
    return { stage, decision: isLast ? "refused" : "passed", microseconds: Math.round(milliseconds * 1000), steps, ...(isLast ? { refusal } : {}) };
  });
}

/** Says at which stage a step ran: the last ones at the stage that was come to, those of middleware in the chain. */
function stageOf(place: string, seen: Schemas["SeenRequest"]): string {
  if (seen.stage === "bind") return "bind";
  return /\.middleware\/|^project\./.test(place) ? "chain" : "execute";
}
