import type { HttpRequest, HttpResponse } from "../../src/system/http.ts";
import { answering } from "../fakes/fake_api.ts";

/** An answer; without headers if none are given. */
export type Answer = Pick<HttpResponse, "status" | "body"> & Partial<Pick<HttpResponse, "headers">>;

/** The API's own answer about an operator that does not exist. */
export const NOT_FOUND: Answer = failed(404);

/** An error of the API. */
export function failed(status: number, error_code?: string): Answer {
  return { status, body: JSON.stringify({ error_code, status_code: status, msg: "it failed", details: {} }) };
}

/** The operators of an account at the API, without a socket. */
export class FakeCloud {
  readonly operators = new Map<string, { readonly metadata: string; selectors: readonly string[] }>();
  /** Method and path of each request. */
  readonly requests: string[] = [];
  readonly bodies: string[] = [];
  endpoints: readonly { id: string; url: string }[] = [];
  /** Gives another answer than the account's; undefined: the account answers. */
  intercept: (method: string, path: string, request: HttpRequest) => Answer | Promise<Answer> | undefined =
    () => undefined;
  #created = 0;

  readonly send = answering((request) => {
    const { method, url, body = "" } = request;
    const path = new URL(url).pathname;
    this.requests.push(`${method} ${path}`);
    this.bodies.push(body);
    return this.intercept(method, path, request) ?? this.answer(request);
  });

  answer({ method, url, body }: HttpRequest): Answer {
    const [, , id = "", list] = new URL(url).pathname.split("/");
    if (method === "POST") {
      const { metadata, binding } = JSON.parse(body!);
      const created = `k8sop_${++this.#created}`;
      this.operators.set(created, { metadata, selectors: binding.endpoint_selectors });
      return this.#operator(created);
    }
    if (id === "") {
      return page("operators", [...this.operators].map(([id, { metadata }]) => ({ id, metadata })));
    }
    const operator = this.operators.get(id);
    if (operator === undefined) return NOT_FOUND;
    if (method === "DELETE") {
      this.operators.delete(id);
      return { status: 204, body: "" };
    }
    if (list !== undefined) return page("endpoints", this.endpoints);
    if (method === "PATCH") {
      operator.selectors = JSON.parse(body!).binding.endpoint_selectors ?? operator.selectors;
    }
    return this.#operator(id);
  }

  #operator(id: string): Answer {
    const { selectors } = this.operators.get(id)!;
    const binding = { cert: { cert: `of ${id}` }, endpoint_selectors: selectors };
    return { status: 200, body: JSON.stringify({ id, binding }) };
  }
}

function page(name: string, entries: readonly unknown[]): Answer {
  return { status: 200, body: JSON.stringify({ [name]: entries, next_page_uri: null }) };
}
