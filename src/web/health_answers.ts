import type { HealthReport } from "../model/report.ts";
import { encodeBody, type EncodedResponse } from "./encode_response.ts";
import { answerHealth, isHealthPath, NOT_FOUND } from "./health.ts";

/** The time for which one report answers all requests, in milliseconds. */
const MAX_AGE_MS = 1000;

/**
 * The responses of the health paths, made and encoded at most once in a second, because a report of
 * many endpoints costs time. Other paths cost no report.
 */
export class HealthAnswers {
  readonly #build: () => HealthReport;
  readonly #answers = new Map<string, EncodedResponse>();
  #report: HealthReport | undefined;
  #builtAt = -Infinity;

  constructor(build: () => HealthReport) {
    this.#build = build;
  }

  /** Returns the response for a path; `json` is true if the client asked for JSON. */
  find(path: string, json: boolean): EncodedResponse {
    if (!isHealthPath(path)) return encodeBody(NOT_FOUND);
    const now = performance.now();
    if (this.#report === undefined || now - this.#builtAt >= MAX_AGE_MS) {
      this.#report = this.#build();
      this.#builtAt = now;
      this.#answers.clear();
    }
    const key = `${path} ${json}`;
    const answer = this.#answers.get(key) ??
      encodeBody(answerHealth({ path, json, report: this.#report }));
    this.#answers.set(key, answer);
    return answer;
  }
}
