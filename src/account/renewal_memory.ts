import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import { messageOf } from "../model/errors.ts";
import type { System } from "../system/system.ts";

const log = getLogger(["ngrokd", "identity"]);

const FILE_MODE = 0o644;

const Content = z.object({ schema: z.literal(1), serial: z.string(), at: z.iso.datetime() });

/** Which certificate a renewal brought, and when, milliseconds since the epoch. */
export interface LastRenewal {
  readonly serial: string;
  readonly at: number;
}

/** What {@linkcode RenewalMemory} needs. */
export interface RenewalMemoryOptions {
  readonly path: string;
  readonly files: Pick<System["files"], "readTextIfAny" | "writeFileAtomic">;
}

/**
 * The last renewal, over restarts. A certificate does not tell whether it is the first of its operator, and the time of its file says when
 * it was copied there. The serial ties the note to the certificate, so that one that was left behind says nothing of another.
 */
export class RenewalMemory {
  readonly #options: RenewalMemoryOptions;

  constructor(options: RenewalMemoryOptions) {
    this.#options = options;
  }

  /** Undefined if there is none that can be read: nothing but a line of `status` depends on it. */
  async recall(): Promise<LastRenewal | undefined> {
    const { path, files } = this.#options;
    try {
      const text = await files.readTextIfAny(path);
      if (text === undefined) return undefined;
      const { serial, at } = Content.parse(JSON.parse(text));
      return { serial, at: Date.parse(at) };
    } catch (error) {
      log.warn("Cannot tell when the cert was renewed last: {reason}", { reason: messageOf(error) });
      return undefined;
    }
  }

  /** Keeps it; never rejects, for the renewal itself went well. */
  async remember({ serial, at }: LastRenewal): Promise<void> {
    const { path, files } = this.#options;
    const content = { schema: 1, serial, at: new Date(at).toISOString() };
    try {
      await files.writeFileAtomic(path, JSON.stringify(content), { mode: FILE_MODE });
    } catch (error) {
      log.warn("Cannot keep when the cert was renewed: {reason}", { reason: messageOf(error) });
    }
  }
}
