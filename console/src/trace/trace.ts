// What a simulation tells of a run: stages, the steps in them, the rules and statements of those.
import type { Schemas } from "../api/client";

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
export const STAGES = ["accept", "authenticate", "authorize", "bind", "chain", "execute", "respond"] as const;

export function took(microseconds: number): string {
  return microseconds < 1000 ? `${microseconds} µs` : `${(microseconds / 1000).toFixed(1)} ms`;
}

/** Makes a simulation's answer of what is remembered of a request, as far as that goes. */
export function remembered(seen: Schemas["SeenRequest"]): Entry[] {
  const refused = seen.code !== "";
  const last = refused ? STAGES.indexOf(seen.stage as (typeof STAGES)[number]) : STAGES.length - 1;
  const before = (seen.steps_before ?? []) as unknown as { step: string; place: string }[];
  const step = seen.step as { step?: string; place?: string; rules?: Rule[]; name?: string } | undefined;
  return STAGES.slice(0, Math.max(last, 0) + 1).map((stage, index) => {
    const decides = refused && index === last;
    const refusal = { status: seen.status, code: seen.code ?? "", detail: seen.detail ?? "" };
    const entry: Entry = { stage, decision: decides ? "refused" : "passed", microseconds: 0 };
    if (!decides) return entry;
    const steps: Entry[] = before.map((one) => ({ step: one.step, place: one.place, decision: "passed", microseconds: 0 }));
    if (step?.step) steps.push({ step: step.step, name: step.name, place: step.place, rules: step.rules, decision: "refused", microseconds: 0, refusal });
    return { ...entry, refusal, steps };
  });
}
