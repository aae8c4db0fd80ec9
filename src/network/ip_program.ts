import { type Cidr, formatCidr } from "../lib/ipv4.ts";
import { CommandError, messageOf } from "../model/errors.ts";
import { type IpRoute, type Link, parseLinks, parseRoutes } from "./ip_output.ts";
import { type IpStep, type ObservedLinks, PROTOCOL } from "./ip_plan.ts";
import { type Lookup, probeAddress } from "./overlaps.ts";
import { parseRules, parseTableRoutes, type PolicyRule, type TableRoute } from "./rule_output.ts";

/** All distributions have this path. It is absolute, so that `PATH` has no influence. */
export const IP = "/sbin/ip";

const TIMEOUT_MS = 5000;

const STANDARD_RULES = JSON.stringify(["local", "main", "default"].map((table) => ({ table })));

/** The exit codes if `ip` or the kernel refuses. */
const REFUSED: readonly number[] = [1, 2];

/** The program that reads and changes interfaces and routes. */
export class IpProgram {
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
  }

  /** Reads the present state. @throws {CommandError} */
  async observe(): Promise<ObservedLinks> {
    const [links, ownRoutes] = await Promise.all([
      this.#read<Link>(["-details", "-json", "address", "show"], parseLinks),
      this.#read<IpRoute>(["-4", "-json", "route", "show", "table", "all", "proto", PROTOCOL], parseRoutes),
    ]);
    return { links, ownRoutes };
  }

  /** Reads the routes of all tables, ours included. @throws {CommandError} */
  routes(): Promise<IpRoute[]> {
    return this.#read(["-4", "-json", "route", "show", "table", "all"], parseRoutes);
  }

  /**
   * Reads the routes of all tables that overlap with a subnet, ours included, and the rules that
   * lead to the tables. @throws {CommandError}
   */
  async lookup(subnet: Cidr): Promise<Lookup> {
    const all = ["-4", "-json", "route", "show", "table", "all"] as const;
    const [around, within, rules] = await Promise.all([
      this.#read<TableRoute>([...all, "match", formatCidr(subnet)], parseTableRoutes),
      this.#read<TableRoute>([...all, "root", formatCidr(subnet)], parseTableRoutes),
      this.#rules(),
    ]);
    // Both lists have the routes to exactly this subnet.
    const routes = [...around, ...within.filter(({ to }) => to.prefix !== subnet.prefix)];
    const probe = probeAddress(subnet, { routes, rules });
    return { routes, rules, isMerged: probe !== undefined && !await this.#isOwn(probe) };
  }

  /** Makes the steps one by one. @throws {CommandError} At the first that fails and may not. */
  async apply(steps: readonly IpStep[]): Promise<void> {
    for (const { args, mayFail = false } of steps) {
      try {
        await this.#run([IP, ...args], { timeoutMs: TIMEOUT_MS });
      } catch (error) {
        if (!mayFail || !isRefusal(error)) throw error;
      }
    }
  }

  async #rules(): Promise<PolicyRule[]> {
    try {
      return await this.#read<PolicyRule>(["-4", "-json", "rule", "show"], parseRules);
    } catch (error) {
      // A kernel without rules has these tables.
      if (isRefusal(error) && error.stderr.includes("not supported")) return parseRules(STANDARD_RULES);
      throw error;
    }
  }

  /** Returns true if packets to the address stay on this machine. */
  async #isOwn(address: string): Promise<boolean> {
    try {
      const [route] = await this.#read(["-4", "-json", "route", "get", address], parseTableRoutes);
      return route?.type === "local";
    } catch (error) {
      // `ip` fails if packets to the address lead nowhere.
      if (error instanceof CommandError) return false;
      throw error;
    }
  }

  async #read<T>(args: readonly string[], parse: (text: string) => T[]): Promise<T[]> {
    const argv = [IP, ...args] as const;
    const { stdout } = await this.#run(argv, { timeoutMs: TIMEOUT_MS });
    try {
      return parse(stdout);
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      throw new CommandError(`Cannot read the output of "${argv.join(" ")}": ${messageOf(cause)}`, {
        argv,
        exitCode: 0,
        stderr: "",
        cause,
      });
    }
  }
}

/** Returns true if `ip` or the kernel refuses a change; otherwise there was no answer. */
export function isRefusal(error: unknown): error is CommandError {
  return error instanceof CommandError && REFUSED.includes(error.exitCode);
}

/** Runs a program to its end. @throws {CommandError} If it fails or takes too long. */
export type Run = (
  argv: readonly [string, ...string[]],
  options: { timeoutMs: number },
) => Promise<{ readonly stdout: string }>;
