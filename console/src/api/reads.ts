// What several pages read: each with its key, so that a change makes all of them read again.
import { queryOptions, useQuery } from "@tanstack/react-query";
import { api, data, queries, type Schemas } from "./client";
import type { components } from "./document";
import { useSession } from "./session";

export type Definitions = components["schemas"];
export type Endpoint = Definitions["EndpointDef"];
export type View = Definitions["ViewDef"];
export type Middleware = Definitions["MiddlewareDef"];
export type Table = Definitions["TableDef"];
export type Document = Partial<Definitions["Project"]>;
/** A step as its document has it: what it does, and the fields of that. */
export type Step = { do?: string; use?: string; [field: string]: unknown };
export type Access = "public" | "authenticated" | string[];
export type Surface = {
  kind: "endpoint" | "view";
  name: string;
  path: string;
  access: Access;
  methods?: string[];
  allow?: string[];
  middleware: string[];
  filter?: string | null;
  writes: string[];
};
export type SeenRequest = Schemas["SeenRequest"];
export type Rank = "viewer" | "editor" | "owner";

/** The whole backend with its ETag: what an edit of any part is made for. */
export const config = queryOptions({
  queryKey: ["definitions", "config"],
  queryFn: async () => {
    const { data: document, response } = await api.GET("/admin/v1/config", { headers: { Accept: "application/json" } });
    return { document: document as unknown as Document, etag: response.headers.get("etag") ?? "*" };
  },
});

export const access = queryOptions({
  queryKey: ["definitions", "access"],
  queryFn: async () => {
    const found = await data(api.GET("/admin/v1/access"));
    return { surface: found.surface as unknown as Surface[], findings: found.findings };
  },
});

export const requests = queryOptions({
  queryKey: ["requests"],
  queryFn: () => data(api.GET("/admin/v1/requests")),
  refetchInterval: 5_000,
});

export const schema = queryOptions({
  queryKey: ["schema"],
  queryFn: () => data(api.GET("/admin/v1/schema")),
  staleTime: Infinity,
});

export const settings = queryOptions({
  queryKey: ["settings"],
  queryFn: () => data(api.GET("/admin/v1/settings")),
  staleTime: Infinity,
});

export const admins = queryOptions({
  queryKey: ["admins"],
  queryFn: () => data(api.GET("/admin/v1/admins")),
  staleTime: 60_000,
});

/** The own account, which is read before anything else: it says whether a second factor has to be added first. */
export const account = queryOptions({
  queryKey: ["admins", "account"],
  queryFn: () => data(api.GET("/admin/v1/account")),
  staleTime: 60_000,
});

/** Reads everything that a change of the definitions may have changed again. */
export function changed(): Promise<void> {
  return queries.invalidateQueries({ queryKey: ["definitions"] });
}

/** Who is signed in, and how far that reaches; a viewer until it is known. */
export function useMe(): { email: string; rank: Rank; mayEdit: boolean; mayOwn: boolean } {
  const session = useSession();
  const { data: me } = useQuery({ ...account, enabled: session.status === "in" });
  const rank: Rank = me?.role ?? "viewer";
  return { email: me?.email ?? "", rank, mayEdit: rank !== "viewer", mayOwn: rank === "owner" };
}
