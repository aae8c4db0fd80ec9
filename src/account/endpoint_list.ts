import { type EndpointPage, listBoundEndpoints } from "../cloud/bound_endpoints.ts";
import type { ApiClient } from "../cloud/client.ts";
import type { RememberedPages } from "../cloud/pages.ts";
import { Mutex } from "../lib/mutex.ts";
import { type Discovery, isSameList, type ListedEndpoints } from "../model/discovery.ts";
import type { Endpoint } from "../model/endpoint.ts";
import { ApiError } from "../model/errors.ts";

/** Lists the bound endpoints, one list at a time, and remembers the last list. */
export class EndpointList {
  readonly #client: ApiClient;
  readonly #mutex = new Mutex();
  readonly #remembered: RememberedPages<EndpointPage> = new Map();
  #last: Discovery | undefined;
  #byId: ReadonlyMap<string, Endpoint> = new Map();

  constructor(client: ApiClient) {
    this.#client = client;
  }

  /**
   * Returns the time until a list of so many pages fits into the request budget, in milliseconds.
   */
  readyInMs(pages: number): number {
    return this.#client.budget.waitMs(pages);
  }

  /**
   * Lists the endpoints of the operator. An unchanged list keeps the revision of the last one,
   * which saves the caller a comparison of thousands of endpoints.
   *
   * @throws {ApiError}
   */
  list(operatorId: string, signal: AbortSignal): Promise<Discovery> {
    return this.#mutex.run(async () => {
      const { budget } = this.#client;
      try {
        const found = await listBoundEndpoints(this.#client, operatorId, {
          signal,
          known: this.#byId,
          remembered: this.#remembered,
        });
        budget.recordFullList();
        return this.#last = { ...found, revision: this.#revisionOf(found) };
      } catch (error) {
        // The client does not know that a response was not a list.
        if (error instanceof ApiError) budget.recordFailure();
        throw error;
      }
    });
  }

  #revisionOf(found: ListedEndpoints): number {
    const last = this.#last;
    if (last !== undefined && isSameList(found, last)) return last.revision;
    this.#byId = new Map(found.endpoints.map((endpoint) => [endpoint.id, endpoint]));
    return (last?.revision ?? 0) + 1;
  }
}
