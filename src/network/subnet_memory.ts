import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import { type Cidr, formatCidr, parseCidr } from "../lib/ipv4.ts";
import { FileError, messageOf } from "../model/errors.ts";
import type { StateFiles } from "../system/state_files.ts";

const log = getLogger(["ngrokd", "network"]);

const FILE_MODE = 0o644;

const Content = z.object({ schema: z.literal(1), asked: z.string(), chosen: z.string() });

/** Where the memory is kept. */
export interface SubnetMemoryOptions {
  readonly path: string;
  readonly files: StateFiles;
}

/**
 * The subnet that was chosen in place of the configured one. It is a file of its own because it must be on disk before the first round
 * hands out addresses, which is what the other state is saved after.
 */
export class SubnetMemory {
  readonly #path: string;
  readonly #files: SubnetMemoryOptions["files"];

  constructor(options: SubnetMemoryOptions) {
    this.#path = options.path;
    this.#files = options.files;
  }

  /** What was chosen in place of this one. A file that cannot be used is reported and set aside. */
  async recall(asked: Cidr): Promise<Cidr | undefined> {
    try {
      const content = Content.parse(JSON.parse(await this.#files.readText(this.#path)));
      return content.asked === formatCidr(asked) ? parseCidr(content.chosen) : undefined;
    } catch (error) {
      if (error instanceof FileError && error.reason === "missing") return undefined;
      log.warn("Cannot tell which subnet was used before: {reason}", {
        reason: error instanceof FileError ? error.message : `${this.#path} is damaged`,
      });
      await this.#setAside();
      return undefined;
    }
  }

  /** Keeps the choice; one that cannot be kept is reported, and made anew at the next start. */
  async remember(asked: Cidr, chosen: Cidr): Promise<void> {
    const content = { schema: 1, asked: formatCidr(asked), chosen: formatCidr(chosen) };
    try {
      await this.#files.writeFileAtomic(this.#path, JSON.stringify(content, null, 2), { mode: FILE_MODE });
    } catch (error) {
      log.warn("Cannot keep the choice of the subnet: {reason}", { reason: messageOf(error) });
    }
  }

  async #setAside(): Promise<void> {
    try {
      await this.#files.renameFile(this.#path, `${this.#path}.bad`);
    } catch (error) {
      log.warn("Cannot set it aside: {reason}", { reason: messageOf(error) });
    }
  }
}
