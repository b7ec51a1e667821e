// The admin API, typed by its own OpenAPI document.
import { QueryClient } from "@tanstack/react-query";
import createClient from "openapi-fetch";
import { asJson } from "./exact";
import type { components, paths } from "./admin";
import { Unreachable } from "./problem";
import { asAdmin } from "./session";

export type Schemas = components["schemas"];

/** Each call gives its data, and raises Problem for a refusal: `error` is never set. */
export const api = createClient<paths>({ baseUrl: window.location.origin, fetch: asAdmin });

/** Takes what a call gives. */
export async function data<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (count, error) => error instanceof Unreachable && count < 3,
      networkMode: "online",
    },
    mutations: { networkMode: "always" },
  },
});

/** Anything that changes something, by its route; an ETag in `ifMatch` says what it was made for. */
export type Call = {
  method: "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  query?: Record<string, string | number | boolean | string[] | undefined>;
  body?: unknown;
  yaml?: string;
  ifMatch?: string;
};

/** Makes a call whose route is only known when it is made; raises as `asAdmin` does. */
export async function call(said: Call): Promise<Response> {
  const url = new URL(`/admin/v1${said.path}`, window.location.origin);
  for (const [name, value] of Object.entries(said.query ?? {})) {
    if (Array.isArray(value)) for (const one of value) url.searchParams.append(name, one);
    else if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const headers: Record<string, string> = {};
  let body: string | undefined;
  if (said.yaml !== undefined) {
    headers["Content-Type"] = "application/yaml";
    body = said.yaml;
  } else if (said.body !== undefined) {
    headers["Content-Type"] = "application/json";
    body = asJson(said.body);
  }
  if (said.ifMatch !== undefined) headers["If-Match"] = said.ifMatch;
  return asAdmin(new Request(url, { method: said.method, headers, body }));
}
