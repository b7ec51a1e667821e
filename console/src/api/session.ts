// The session of the admin: the access token stands in memory alone, and a cookie that no script reads renews it.
import { useSyncExternalStore } from "react";
import { asProblem, Problem, Unreachable } from "./problem";
import { reached, unreached } from "./reachable";

type State = { status: "unknown" | "out" } | { status: "in"; adminId: string };
type Tokens = { access_token: string; expires_at: number };

let state: State = { status: "unknown" };
let tokens: Tokens | undefined;
let renewing: Promise<boolean> | undefined;
const listeners = new Set<() => void>();
const EARLY = 30; // seconds before its end at which a token is renewed

export function useSession(): State {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}

function become(next: State): void {
  state = next;
  for (const listener of listeners) listener();
}

function begin(given: Tokens): void {
  tokens = given;
  const claims = given.access_token.split(".")[1] ?? "";
  const said = JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/"))) as { sub: string };
  if (state.status !== "in" || state.adminId !== said.sub) become({ status: "in", adminId: said.sub });
}

function end(): void {
  tokens = undefined;
  if (state.status !== "out") become({ status: "out" });
}

async function post(path: string, body?: unknown): Promise<Response> {
  const headers = body === undefined ? undefined : { "Content-Type": "application/json" };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: body === undefined ? undefined : JSON.stringify(body) });
    reached();
    return answer;
  } catch (error) {
    unreached();
    throw new Unreachable(error);
  }
}

/** Signs in; raises `admin.code_needed` where the password is right and there is a second factor. */
export async function signIn(email: string, password: string, code?: string): Promise<void> {
  const answer = await post("/admin/v1/browser/sign-in", { email, password, ...(code === undefined ? {} : { code }) });
  if (!answer.ok) throw await asProblem(answer);
  begin((await answer.json()) as Tokens);
}

export async function makeFirstAdmin(token: string, email: string, password: string): Promise<void> {
  const answer = await post("/admin/v1/setup", { token, email, password });
  if (!answer.ok) throw await asProblem(answer);
  await signIn(email, password);
}

/** Does what takes no session: by a link of a mail, or to have one sent. */
export async function asNobody(path: string, body: unknown): Promise<void> {
  const answer = await post(`/admin/v1${path}`, body);
  if (!answer.ok) throw await asProblem(answer);
  await answer.body?.cancel();
}

/** Goes on with the session that the cookie stands for; says whether there is one. Of many calls at once one is made. */
export function renew(): Promise<boolean> {
  renewing ??= inTurn(renewOnce).finally(() => (renewing = undefined));
  return renewing;
}

/** Lets tabs of one browser renew one after the other, where the browser can say so. */
function inTurn(run: () => Promise<boolean>): Promise<boolean> {
  if (!("locks" in navigator)) return run();
  return new Promise((resolve, reject) => {
    void navigator.locks.request("rowgate-session", () => run().then(resolve, reject));
  });
}

async function renewOnce(): Promise<boolean> {
  const answer = await post("/admin/v1/browser/refresh");
  if (answer.ok) {
    begin((await answer.json()) as Tokens);
    return true;
  }
  if (answer.status === 401 || answer.status === 403) {
    await answer.body?.cancel();
    end();
    return false;
  }
  throw await asProblem(answer);
}

export async function signOut(): Promise<void> {
  if (tokens !== undefined) {
    await fetch("/admin/v1/sign-out", { method: "POST", headers: { Authorization: `Bearer ${tokens.access_token}` } });
  }
  end();
}

/** Asks as the admin who is signed in; raises Problem for a refusal, and Unreachable where no answer came. */
export async function asAdmin(request: Request): Promise<Response> {
  const again = request.clone();
  if (tokens !== undefined && tokens.expires_at - EARLY < Date.now() / 1000) await renew();
  let answer = await send(request);
  if (answer.status === 401) {
    const refused = answer;
    if (await renew()) {
      await refused.body?.cancel();
      answer = await send(again);
    }
  }
  if (answer.ok) return answer;
  const problem = await asProblem(answer);
  if (answer.status === 401) end();
  throw problem;
}

async function send(request: Request): Promise<Response> {
  if (tokens !== undefined) request.headers.set("Authorization", `Bearer ${tokens.access_token}`);
  try {
    const answer = await fetch(request);
    reached();
    return answer;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    unreached();
    throw new Unreachable(error);
  }
}

export { Problem };
