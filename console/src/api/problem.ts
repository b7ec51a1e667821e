// What a request fails with: a refusal in the server's own words, or no answer at all.
import type { components } from "./admin";

export type ProblemDocument = components["schemas"]["Problem"];
export type ProblemField = components["schemas"]["ProblemField"];

/** A refusal (RFC 9457), with the code that docs/errors.md explains. */
export class Problem extends Error {
  constructor(readonly document: ProblemDocument) {
    super(document.detail);
  }

  get code(): string {
    return this.document.code;
  }

  get fields(): ProblemField[] {
    return this.document.errors ?? [];
  }
}

/** No answer came: the server or the network is away. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super("unreachable", { cause });
  }
}

export async function asProblem(answer: Response): Promise<Problem> {
  const text = await answer.text();
  try {
    return new Problem(JSON.parse(text) as ProblemDocument);
  } catch {
    const request_id = answer.headers.get("x-request-id") ?? "";
    const said = { title: answer.statusText, status: answer.status, detail: text.slice(0, 300), code: "", request_id };
    return new Problem({ type: "about:blank", errors: [], ...said });
  }
}

export function isProblem(error: unknown, ...codes: string[]): error is Problem {
  return error instanceof Problem && (codes.length === 0 || codes.includes(error.code));
}
