import { getLogger } from "@logtape/logtape";
import { BindError, messageOf } from "../model/errors.ts";
import type { HealthReport, StatusReport } from "../model/report.ts";
import { listenerKey } from "../model/route_table.ts";
import type { System } from "../system/system.ts";
import { startHealthServer } from "./server.ts";

const log = getLogger(["ngrokd", "web"]);

interface Where {
  readonly address: string;
  readonly port: number;
}

/** The health server, moved when its address changes; one that cannot be bound is said and does not stop the daemon. */
export class Health {
  readonly #serve: System["serveHttp"];
  readonly #report: () => HealthReport;
  #where: Where = { address: "", port: 0 };
  #server: AsyncDisposable | undefined;
  #error: string | undefined;

  constructor(serve: System["serveHttp"], report: () => HealthReport) {
    this.#serve = serve;
    this.#report = report;
  }

  /** Serves there; also the way to try again. */
  async listen(where: Where): Promise<void> {
    const same = where.address === this.#where.address && where.port === this.#where.port;
    if (same && this.#server !== undefined) return;
    await this.close();
    this.#where = where;
    try {
      this.#server = startHealthServer({ ...where, serve: this.#serve, report: this.#report });
      this.#error = undefined;
    } catch (error) {
      const message = messageOf(error);
      const taken = error instanceof BindError && error.reason === "in_use";
      const hint = `${
        taken ? "Stop the program that listens there, or give" : "Give"
      } another server.health_port`;
      if (!same || this.#error === undefined) {
        log.error("Cannot serve health: {error}", { error: message, hint });
      }
      this.#error = `${message} (${hint})`;
    }
  }

  async close(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = undefined;
  }

  get report(): StatusReport["health"] {
    return { address: listenerKey(this.#where.address, this.#where.port), error: this.#error ?? null };
  }
}
