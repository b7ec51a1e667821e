// What the operations read again every few seconds, and what the figures of all processes come to.
import { queryOptions } from "@tanstack/react-query";
import { api, data, type Schemas } from "../../api/client";

export type Instance = Schemas["InstanceAnswer"];
export type Minute = { at: string; answered: number; refused: number; failed: number; peak: number };
export type Which = "waiting" | "dead";

const AGAIN = 5_000; // milliseconds

export const instances = queryOptions({
  queryKey: ["operations", "instances"],
  queryFn: () => data(api.GET("/admin/v1/instances")),
  refetchInterval: AGAIN,
});

export const queues = queryOptions({
  queryKey: ["operations", "queues"],
  queryFn: () => data(api.GET("/admin/v1/queues")),
  refetchInterval: AGAIN,
});

/** The minutes of all processes put together; the ones that are silent have no present minutes of their own. */
export function together(all: Instance[]): Minute[] {
  const found = new Map<string, Minute>();
  const begin = Math.min(...all.filter((one) => one.here).flatMap((one) => (one.minutes ?? []).map(({ at }) => Date.parse(at))));
  const last = Math.max(...all.filter((one) => one.here).flatMap((one) => (one.minutes ?? []).map(({ at }) => Date.parse(at))));
  for (let at = Math.min(begin, last - 14 * 60_000); at <= last; at += 60_000) {
    const key = new Date(at).toISOString();
    found.set(key, { at: key, answered: 0, refused: 0, failed: 0, peak: 0 });
  }
  for (const { minutes } of all) {
    for (const one of minutes ?? []) {
      const sum = found.get(new Date(one.at).toISOString());
      if (sum === undefined) continue;
      sum.answered += one.answered;
      sum.refused += one.refused;
      sum.failed += one.failed;
      sum.peak += one.pool_peak;
    }
  }
  return [...found.values()];
}

/** How often each limit was hit, over all processes, the most often first. */
export function limitsOf(all: Instance[]): { what: string; count: number }[] {
  const found = new Map<string, number>();
  for (const { limited, silent } of all) for (const { what, count } of silent ? [] : (limited ?? [])) found.set(what, (found.get(what) ?? 0) + count);
  return [...found].map(([what, count]) => ({ what, count })).sort((one, other) => other.count - one.count || one.what.localeCompare(other.what));
}

export type Health = "ready" | "degraded" | "not ready" | "unknown" | "silent";
const WORST: Health[] = ["not ready", "degraded", "unknown", "ready"];

export const healthOf = (one: Instance): Health => (one.silent ? "silent" : one.status ?? "unknown");

/** The worst of those that still say something. */
export function healthOfAll(all: Instance[]): Health {
  const found = all.map(healthOf);
  return WORST.find((one) => found.includes(one)) ?? "unknown";
}

export const colour: Record<Health, string> = { ready: "teal", degraded: "yellow", "not ready": "red", unknown: "gray", silent: "gray" };
