// What was asked and came, found by the admin API, and who the callers are.
import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { api, data, type Schemas } from "../../api/client";
import type { SeenRequest } from "../../api/reads";
import { useTexts } from "../../texts";
import { readRows } from "../tables/rows";

export type Asked = { which: string; find: string; caller: string; target: string; code: string; minutes: string };
export const ANY: Asked = { which: "", find: "", caller: "", target: "", code: "", minutes: "" };
const SINCE_STEP = 15_000; // milliseconds: so that what is asked stays the same for a while

/** Gives the requests that are asked for, the newest first. */
export function found(asked: Asked, limit: number) {
  return queryOptions({
    queryKey: ["requests", "found", asked, limit],
    queryFn: () => {
      const text = asked.find.trim();
      const now = Math.floor(Date.now() / SINCE_STEP) * SINCE_STEP;
      const query = {
        ...(asked.which === "" ? {} : { which: asked.which as "refused" | "slow" }),
        ...(text === "" ? {} : text.startsWith("/") ? { path: text } : { id: text }),
        ...(asked.caller.trim() === "" ? {} : { caller: asked.caller.trim() }),
        ...(asked.target === "" ? {} : { target: asked.target }),
        ...(asked.code.trim() === "" ? {} : { code: asked.code.trim() }),
        ...(asked.minutes === "" ? {} : { since: new Date(now - Number(asked.minutes) * 60_000).toISOString() }),
        limit,
      };
      return data(api.GET("/admin/v1/requests", { params: { query } }));
    },
    refetchInterval: 5_000,
    placeholderData: keepPreviousData,
  });
}

export const one = (id: string) => queryOptions({
  queryKey: ["requests", "one", id],
  queryFn: () => data(api.GET("/admin/v1/requests/{request_id}", { params: { path: { request_id: id } } })),
  retry: false,
});

/** Gives the addresses of the people who asked, by their ids. */
export function usePeople(seen: SeenRequest[]): Map<string, string> {
  const ids = [...new Set(seen.flatMap(({ caller }) => (caller?.kind === "user" && caller.id ? [caller.id] : [])))].sort().slice(0, 100);
  const { data: rows } = useQuery({
    queryKey: ["users", "named", ids],
    queryFn: async () => (await readRows("users", [["id", `in.(${ids.join(",")})`], ["select", "id,email"]])).rows,
    enabled: ids.length > 0,
    staleTime: 60_000,
    placeholderData: keepPreviousData,
    retry: false,
  });
  return new Map((rows ?? []).map((row) => [String(row.id), String(row.email ?? row.id)]));
}

/** Names who asked. */
export function useCallerName(people: Map<string, string>): (caller: Schemas["SeenCaller"] | null) => string {
  const texts = useTexts().why;
  return (caller) => {
    if (caller === null) return texts.unknown;
    if (caller.kind === "anonymous") return texts.anonymous;
    const who = caller.kind === "key" ? texts.key : (people.get(caller.id ?? "") ?? caller.id ?? "");
    return texts.withRoles(who, caller.roles);
  };
}

export const lasted = (milliseconds: number): string =>
  milliseconds < 1 ? `${Math.round(milliseconds * 1000)} µs` : milliseconds < 1000 ? `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
