import { getLogger } from "@logtape/logtape";
import { type Cidr, formatCidr, isSameCidr } from "../lib/ipv4.ts";
import { CommandError, messageOf } from "../model/errors.ts";
import { chooseSubnet } from "./choose_subnet.ts";
import type { AddressDriver, ChosenSubnet, FoundOverlaps, PreparedSubnet, Support } from "./driver.ts";
import { findGoLeftover } from "./go_leftover.ts";
import { IpProgram, isRefusal, type Run } from "./ip_program.ts";
import type { IpRoute } from "./ip_output.ts";
import {
  deleteLink,
  findOwn,
  isOwn,
  LO,
  type ObservedLinks,
  planRelease,
  planVirtual,
  PROTOCOL,
} from "./ip_plan.ts";
import { findOverlaps } from "./overlaps.ts";
import { refuseOutside } from "./refuse_outside.ts";

const log = getLogger(["ngrokd", "network"]);

/**
 * The order of the attempts: a veth needs no dummies in the kernel, a route on `lo` neither. There
 * is no bridge, because systemd-resolved sends nothing through one without ports.
 */
const KINDS = ["dummy", "veth", LO] as const;

/** A subnet whose addresses all belong to this machine. Its state is read each time. */
export class LinuxIp implements AddressDriver {
  readonly kind = "linux_ip";
  readonly #ip: IpProgram;
  readonly #name: string;
  readonly #record: () => Promise<unknown>;
  readonly #isGoRunning: () => Promise<boolean>;
  /** False after the first subnet is prepared: what appears later is no leftover. */
  #mayTakeOver = true;
  #linkKind: string | undefined;
  #subnet: Cidr | undefined;
  /** The last result of `ensure` in this subnet. */
  #ensured:
    | { readonly revision: number | undefined; readonly refused: ReadonlyMap<string, string> }
    | undefined;

  constructor(options: LinuxIpOptions) {
    const { run, interfaceName = "ngrokd0", record = () => Promise.resolve() } = options;
    this.#isGoRunning = options.isGoRunning ?? (() => Promise.resolve(false));
    this.#ip = new IpProgram(run);
    this.#name = interfaceName;
    this.#record = record;
  }

  get linkKind(): string | undefined {
    return this.#linkKind;
  }

  supported(): Support {
    return { supported: true };
  }

  async prepare(wanted: Cidr, remembered?: Cidr): Promise<PreparedSubnet> {
    try {
      const observed = await this.#takeOver(wanted);
      if (typeof observed === "string") return { subnet: this.#subnet ?? wanted, failure: observed };
      const routes = await this.#foreignRoutes(observed);
      const isInUse = this.#subnet !== undefined && isSame(this.#subnet, remembered);
      const choice = chooseSubnet(wanted, { routes, remembered, isInUse });
      if (choice === undefined) {
        const failure = `${formatCidr(wanted)} and all private networks are in use on this machine`;
        return { subnet: this.#subnet ?? wanted, failure };
      }
      const { subnet, reason } = choice;
      await this.#create(subnet, observed);
      this.#subnet = subnet;
      this.#mayTakeOver = false;
      this.#ensured = undefined;
      return reason === undefined ? { subnet } : { subnet, reason, remember: true };
    } catch (error) {
      // The listeners still use the subnet that could not be restored.
      if (error instanceof CommandError) return { subnet: this.#subnet ?? wanted, failure: error.message };
      throw error;
    }
  }

  async findOverlaps(): Promise<FoundOverlaps> {
    const subnet = this.#subnet;
    if (subnet === undefined) return { overlaps: [] };
    try {
      const lookup = await this.#ip.lookup(subnet);
      // An interface with this name is not ours if the route is on `lo`.
      const own = this.#linkKind === LO ? undefined : this.#name;
      const routes = lookup.routes.filter(({ protocol, dev }) => protocol !== PROTOCOL && dev !== own);
      return { overlaps: findOverlaps(subnet, { ...lookup, routes }) };
    } catch (error) {
      if (error instanceof CommandError) return { failure: error.message };
      throw error;
    }
  }

  async choose(wanted: Cidr): Promise<ChosenSubnet> {
    try {
      const observed = await this.#ip.observe();
      return { subnet: chooseSubnet(wanted, { routes: await this.#foreignRoutes(observed) })?.subnet };
    } catch (error) {
      if (error instanceof CommandError) return { failure: error.message };
      throw error;
    }
  }

  async findProblem(): Promise<string | undefined> {
    if (this.#subnet === undefined || this.#linkKind === undefined) return undefined;
    try {
      const steps = planVirtual(await this.#ip.observe(), {
        name: this.#name,
        kind: this.#linkKind,
        subnet: this.#subnet,
      });
      const reasons = new Set(steps.map((step) => step.because));
      return reasons.size === 0 ? undefined : [...reasons].join(", ");
    } catch (error) {
      if (error instanceof CommandError) return error.message;
      throw error;
    }
  }

  async restore(): Promise<boolean> {
    const subnet = this.#subnet;
    if (subnet === undefined || this.#linkKind === undefined) return false;
    try {
      await this.#create(subnet, await this.#ip.observe());
      return true;
    } catch (error) {
      if (error instanceof CommandError) return false;
      throw error;
    }
  }

  ensure(addresses: readonly string[], revision?: number): Promise<ReadonlyMap<string, string>> {
    const subnet = this.#subnet;
    if (subnet !== undefined) {
      // Each idle round asks for the same list, which may have thousands of addresses.
      if (revision === undefined || this.#ensured?.revision !== revision) {
        this.#ensured = { revision, refused: refuseOutside(addresses, subnet) };
      }
      return Promise.resolve(this.#ensured.refused);
    }
    return Promise.resolve(new Map(addresses.map((address) => [address, "No subnet is prepared"])));
  }

  release(): Promise<string | undefined> {
    this.#subnet = undefined;
    this.#linkKind = undefined;
    return this.#removeAll();
  }

  async #foreignRoutes(observed: ObservedLinks): Promise<IpRoute[]> {
    return (await this.#ip.routes()).filter((route) => !isOurs(route, { ...observed, name: this.#name }));
  }

  /**
   * Removes what the Go daemon left behind, whose routes would look like a conflict. Returns what
   * is there then, or the reason why the Go daemon may still use it.
   *
   * @throws {CommandError}
   */
  async #takeOver(subnet: Cidr): Promise<ObservedLinks | string> {
    const observed = await this.#ip.observe();
    const leftover = findGoLeftover(observed.links, { name: this.#name, subnet });
    if (leftover === undefined || !this.#mayTakeOver) return observed;
    const reason = await this.#reasonToLeave(leftover.name);
    if (reason !== undefined) return reason;
    await this.#ip.apply([deleteLink(leftover)]);
    log.info("Took over interface {interface} of the Go daemon", {
      interface: leftover.name,
      addresses: leftover.addresses.length,
    });
    return await this.#ip.observe();
  }

  /** Returns the reason why an interface of the Go daemon must stay: clients may be using it. */
  async #reasonToLeave(name: string): Promise<string | undefined> {
    const next = "Stop the Go daemon, then restart ngrokd";
    try {
      return await this.#isGoRunning() ? `The Go daemon is running and uses ${name}. ${next}` : undefined;
    } catch (error) {
      return `Cannot check if the Go daemon is running and uses ${name}: ${messageOf(error)}. ${next}, ` +
        `after: ip link delete ${name}`;
    }
  }

  /**
   * Creates what is missing, with the first kind that the kernel accepts.
   *
   * @throws {CommandError} With the answer for each kind.
   */
  async #create(subnet: Cidr, before: ObservedLinks): Promise<void> {
    const name = this.#name;
    const refusals: CommandError[] = [];
    let observed = before;
    await this.#record();
    for (const kind of KINDS) {
      try {
        await this.#ip.apply(planVirtual(observed, { name, kind, subnet }));
        const linkKind = kind === LO ? LO : findOwn(observed, name)?.kind ?? kind;
        if (this.#linkKind !== linkKind) {
          log.info("Created virtual addresses {subnet} on interface {interface} ({kind})", {
            subnet: formatCidr(subnet),
            interface: kind === LO ? LO : name,
            kind: linkKind,
          });
        }
        this.#linkKind = linkKind;
        return;
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        const left = await this.#removeAll();
        if (left !== undefined) {
          log.error("Cannot remove the virtual network interface: {error}", { error: left });
        }
        if (!isRefusal(error)) throw error;
        log.info("Cannot create interface {interface} of kind {kind}: {error}", {
          interface: name,
          kind,
          error: error.message,
        });
        refusals.push(error);
        observed = await this.#ip.observe();
      }
    }
    const last = refusals.at(-1)!;
    const answers = refusals.map((error, index) =>
      `${KINDS[index]}: ${error.stderr.trim() || error.message}`
    );
    throw new CommandError(`${answers.join("; ")} (this needs root or the capability NET_ADMIN)`, {
      argv: last.argv,
      exitCode: last.exitCode,
      stderr: last.stderr,
      cause: last,
    });
  }

  async #removeAll(): Promise<string | undefined> {
    try {
      const plan = planRelease(await this.#ip.observe(), this.#name);
      await this.#ip.apply(plan);
      if (plan.length > 0) {
        log.info("Removed virtual addresses", {
          commands: plan.map(({ args }) => `ip ${args.join(" ")}`).join("; "),
        });
      }
      return undefined;
    } catch (error) {
      if (error instanceof CommandError) return error.message;
      throw error;
    }
  }
}

/** Options of {@linkcode LinuxIp}. */
export interface LinuxIpOptions {
  readonly run: Run;
  /** @default {"ngrokd0"} */
  readonly interfaceName?: string;
  /** Returns true if the Go daemon runs on this machine. @default It does not */
  readonly isGoRunning?: () => Promise<boolean>;
  /** Called before anything is created. */
  readonly record?: () => Promise<unknown>;
}

function isSame(a: Cidr, b: Cidr | undefined): boolean {
  return b !== undefined && isSameCidr(a, b);
}

/** Returns true for a route on an interface of ours or with our protocol number. */
function isOurs(route: IpRoute, { name, links, ownRoutes }: ObservedLinks & { name: string }): boolean {
  return links.some((link) => isOwn(link, { name, links }) && link.name === route.dev) ||
    ownRoutes.some((own) => own.dev === route.dev && isSameCidr(own.to, route.to));
}
