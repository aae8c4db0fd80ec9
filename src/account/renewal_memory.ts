import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import { messageOf } from "../model/errors.ts";
import { JsonFile, type StateFiles } from "../system/json_file.ts";

const log = getLogger(["ngrokd", "account"]);

const CONTENT = z.object({ schema: z.literal(1), serial: z.string(), at: z.iso.datetime() });

/** The serial of the new certificate, and the time in milliseconds since the epoch. */
export interface LastRenewal {
  readonly serial: string;
  readonly at: number;
}

/**
 * The last renewal, saved for `status`: a certificate does not show whether it is the first of its
 * operator. The serial shows which certificate the file is about.
 */
export class RenewalMemory {
  readonly #file: JsonFile<z.infer<typeof CONTENT>>;

  constructor(path: string, files: StateFiles) {
    this.#file = new JsonFile(path, { schema: CONTENT, files });
  }

  /** Undefined if there is none that can be read. Never rejects. */
  async load(): Promise<LastRenewal | undefined> {
    const { content, problem } = await this.#file.read();
    if (problem !== undefined) log.warn("Cannot read when the cert was last renewed: {problem}", { problem });
    return content && { serial: content.serial, at: Date.parse(content.at) };
  }

  /** Never rejects. */
  async save({ serial, at }: LastRenewal): Promise<void> {
    try {
      await this.#file.write({ schema: 1, serial, at: new Date(at).toISOString() });
    } catch (error) {
      log.warn("Cannot save when the cert was renewed: {error}", { error: messageOf(error) });
    }
  }
}
