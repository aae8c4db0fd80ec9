import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import { type Cidr, formatCidr, parseCidr } from "../lib/ipv4.ts";
import { messageOf } from "../model/errors.ts";
import { JsonFile, type StateFiles } from "../system/json_file.ts";

const log = getLogger(["ngrokd", "network"]);

const Content = z.object({ schema: z.literal(1), asked: z.string(), chosen: z.string() });

/**
 * The subnet that ngrokd uses instead of the configured one. It has a file of its own because it
 * must be on disk before the first round assigns addresses; the other state is saved after that
 * round.
 */
export class SubnetMemory {
  readonly #file: JsonFile<z.infer<typeof Content>>;

  constructor(options: { readonly path: string; readonly files: StateFiles }) {
    this.#file = new JsonFile(options.path, { schema: Content, files: options.files });
  }

  /** The damage that the read found, and what has become of the file, for `status`. */
  get problem(): string | undefined {
    const { problem } = this.#file;
    return problem === undefined ? undefined : `Cannot read the subnet of the last run: ${problem}`;
  }

  /** Reads the subnet of the last run, if it differed. A damaged file is reported and set aside. */
  async recall(configured: Cidr): Promise<Cidr | undefined> {
    const { content, problem } = await this.#file.read();
    if (problem !== undefined) {
      log.warn("Cannot read the subnet of the last run: {error}", { error: problem });
    }
    return content?.asked === formatCidr(configured) ? parseCidr(content.chosen) : undefined;
  }

  /** Saves the choice. A failure is logged; the next start then chooses again. */
  async remember(configured: Cidr, chosen: Cidr): Promise<void> {
    try {
      await this.#file.write({ schema: 1, asked: formatCidr(configured), chosen: formatCidr(chosen) });
    } catch (error) {
      log.warn("Cannot save the chosen subnet: {error}", { error: messageOf(error) });
    }
  }
}
