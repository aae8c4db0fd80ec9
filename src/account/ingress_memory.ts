import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import { messageOf } from "../model/errors.ts";
import type { System } from "../system/system.ts";

const log = getLogger(["ngrokd", "sync"]);

const FILE_MODE = 0o644;

const Content = z.object({
  schema: z.literal(1),
  operator_id: z.string(),
  ingress_endpoint: z.string().max(300),
});

/** What {@linkcode IngressMemory} needs. */
export interface IngressMemoryOptions {
  readonly path: string;
  readonly files: Pick<System["files"], "readTextIfAny" | "writeFileAtomic" | "removeFile">;
}

/** The ingress that the cloud has named for an operator, over restarts. Whether it is used is decided as for one that was just named. */
export class IngressMemory {
  readonly #options: IngressMemoryOptions;

  constructor(options: IngressMemoryOptions) {
    this.#options = options;
  }

  /** Undefined if there is none for this operator that can be read: the default is dialled then. */
  async recall(operatorId: string): Promise<string | undefined> {
    const { path, files } = this.#options;
    try {
      const text = await files.readTextIfAny(path);
      if (text === undefined) return undefined;
      const { operator_id, ingress_endpoint } = Content.parse(JSON.parse(text));
      return operator_id === operatorId ? ingress_endpoint : undefined;
    } catch (error) {
      log.warn("Cannot tell which ingress the cloud has named: {reason}", { reason: messageOf(error) });
      return undefined;
    }
  }

  /** Keeps it, or drops what was kept if none is named; never rejects, for it counts until the end of this process anyway. */
  async remember(operatorId: string, endpoint: string | undefined): Promise<void> {
    const { path, files } = this.#options;
    const content = { schema: 1, operator_id: operatorId, ingress_endpoint: endpoint };
    try {
      if (endpoint === undefined) await files.removeFile(path);
      else await files.writeFileAtomic(path, JSON.stringify(content), { mode: FILE_MODE });
    } catch (error) {
      log.warn("Cannot keep which ingress the cloud has named: {reason}", { reason: messageOf(error) });
    }
  }
}
