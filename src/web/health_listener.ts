import { getLogger } from "@logtape/logtape";
import { OnChange } from "../lib/on_change.ts";
import { BindError, messageOf, withHint } from "../model/errors.ts";
import type { HealthReport, StatusReport } from "../model/report.ts";
import { listenerKey } from "../model/route_table.ts";
import type { System } from "../system/system.ts";
import { startHealthServer } from "./server.ts";

const log = getLogger(["ngrokd", "web"]);

/**
 * The health server. It moves when its address changes; if it cannot be bound, the daemon runs
 * without it.
 */
export class Health {
  readonly #serve: System["serveHttp"];
  readonly #report: () => HealthReport;
  readonly #onError = new OnChange();
  #where: Where = { address: "", port: 0 };
  #server: AsyncDisposable | undefined;
  #error: string | undefined;

  constructor(serve: System["serveHttp"], report: () => HealthReport) {
    this.#serve = serve;
    this.#report = report;
  }

  /**
   * Serves at this address, unless it does so already. Never rejects: a failure is logged and in
   * the report.
   */
  async listen(where: Where): Promise<void> {
    const isSame = where.address === this.#where.address && where.port === this.#where.port;
    if (isSame && this.#server !== undefined) return;
    await this.close();
    this.#where = where;
    this.#error = undefined;
    try {
      this.#server = startHealthServer({ ...where, serve: this.#serve, report: this.#report });
    } catch (error) {
      const isInUse = error instanceof BindError && error.reason === "in_use";
      const hint = `${
        isInUse ? "Stop the program that listens there, or give" : "Give"
      } another server.health_port`;
      this.#error = withHint({ message: messageOf(error), hint });
    }
    this.#onError.report(
      this.#error,
      (error) => log.error("Cannot start the health server: {error}", { error }),
    );
  }

  async close(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = undefined;
  }

  get report(): StatusReport["health"] {
    return { address: listenerKey(this.#where.address, this.#where.port), error: this.#error ?? null };
  }
}

interface Where {
  readonly address: string;
  readonly port: number;
}
