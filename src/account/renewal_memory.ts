import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import { messageOf } from "../model/errors.ts";
import { JsonFile, type StateFiles } from "../system/json_file.ts";

const log = getLogger(["ngrokd", "account"]);

const CONTENT = z.object({ schema: z.literal(1), serial: z.string(), at: z.iso.datetime() });

/**
 * The time of the last renewal, saved for `status`: a certificate does not show whether it is the
 * first of its operator. The serial shows which certificate the file is about.
 */
export class RenewalMemory {
  readonly #file: JsonFile<z.infer<typeof CONTENT>>;
  #last: { readonly serial: string; readonly at: string } | undefined;

  constructor(path: string, files: StateFiles) {
    this.#file = new JsonFile(path, { schema: CONTENT, files });
  }

  /** The damage that the read found, and what has become of the file, for `status`. */
  get problem(): string | undefined {
    const { problem } = this.#file;
    return problem === undefined ? undefined : `Cannot read when the cert was last renewed: ${problem}`;
  }

  /**
   * Returns the time of the renewal that brought this certificate, milliseconds since the epoch.
   */
  renewedAt(serial: string | undefined): number | undefined {
    const last = this.#last;
    return last !== undefined && last.serial === serial ? Date.parse(last.at) : undefined;
  }

  /** Reads what an earlier process saved. Never rejects. */
  async load(): Promise<void> {
    const { content, problem } = await this.#file.read();
    if (problem !== undefined) {
      log.warn("Cannot read when the cert was last renewed: {error}", { error: problem });
    }
    this.#last = content;
  }

  /** Records and saves that a renewal has brought this certificate now. Never rejects. */
  async record(serial: string): Promise<void> {
    const at = new Date().toISOString();
    this.#last = { serial, at };
    try {
      await this.#file.write({ schema: 1, serial, at });
    } catch (error) {
      log.warn("Cannot save when the cert was renewed: {error}", { error: messageOf(error) });
    }
  }
}
