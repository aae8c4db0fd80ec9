import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import type { Operator } from "../cloud/operator.ts";
import { messageOf } from "../model/errors.ts";
import { JsonFile, type StateFiles } from "../system/json_file.ts";

const log = getLogger(["ngrokd", "account"]);

const CONTENT = z.object({
  schema: z.literal(1),
  operator_id: z.string(),
  ingress_endpoint: z.string().max(300),
});

/** The ingress that the cloud named for the operator; a start while the API is down needs it. */
export class IngressMemory {
  readonly #file: JsonFile<z.infer<typeof CONTENT>>;
  #endpoint: string | undefined;

  constructor(path: string, files: StateFiles) {
    this.#file = new JsonFile(path, { schema: CONTENT, files });
  }

  /** The damage that the read found, and what has become of the file, for `status`. */
  get problem(): string | undefined {
    const { problem } = this.#file;
    return problem === undefined ? undefined : `Cannot read the ingress that the cloud named: ${problem}`;
  }

  /** `host:port`, unchecked; undefined if the cloud named none. */
  get endpoint(): string | undefined {
    return this.#endpoint;
  }

  /** Reads what was saved for this operator. Never rejects. */
  async load(operatorId: string): Promise<void> {
    const { content, problem } = await this.#file.read();
    if (problem !== undefined) {
      log.warn("Cannot read the ingress that the cloud named: {error}", { error: problem });
    }
    if (content?.operator_id === operatorId) this.#endpoint = content.ingress_endpoint;
  }

  /** Uses and saves the ingress of a response. Never rejects. */
  async record({ id, ingressEndpoint }: Operator): Promise<void> {
    this.#endpoint = ingressEndpoint;
    try {
      if (ingressEndpoint === undefined) await this.#file.remove();
      else await this.#file.write({ schema: 1, operator_id: id, ingress_endpoint: ingressEndpoint });
    } catch (error) {
      log.warn("Cannot save the ingress that the cloud named: {error}", { error: messageOf(error) });
    }
  }
}
