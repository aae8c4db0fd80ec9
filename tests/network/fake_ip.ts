import { cidrContains, parseCidr } from "../../src/lib/ipv4.ts";
import { CommandError } from "../../src/model/errors.ts";
import type { AddressDriver } from "../../src/network/driver.ts";
import type { Run } from "../../src/network/ip_program.ts";
import { chooseAddressDriver } from "../../src/network/select.ts";
import { listenTcp } from "../../src/system/tcp.ts";

/** The driver for a machine with this `ip`. */
export function driverOn(ip: FakeIp, os = "linux"): AddressDriver {
  return chooseAddressDriver({ os, listen: listenTcp, run: ip.run, interfaceName: "ngrokd0" });
}

/** An interface of {@linkcode FakeIp}. */
export interface FakeLink {
  mac: string;
  kind: string;
  up: boolean;
  addresses: string[];
  /** The bridge that it is a port of. */
  master?: string;
  /** The other end of a veth. */
  peer?: string;
}

interface FakeRoute {
  to: string;
  dev: string;
  proto: string;
  /** @default {"main"} */
  table?: string;
}

/** The parts of `/sbin/ip` that ngrokd uses, with the side effects of the kernel. */
export class FakeIp {
  readonly links = new Map<string, FakeLink>([
    ["lo", { mac: "00:00:00:00:00:00", kind: "", up: true, addresses: ["127.0.0.1/8"] }],
  ]);
  readonly routes: FakeRoute[] = [{ to: "default", dev: "eth0", proto: "dhcp" }];
  readonly rules: { src: string; table: string }[] = ["local", "main", "default"].map((table) => ({
    src: "all",
    table,
  }));
  /** Every call that changes something, successful or not, as one line. */
  readonly changes: string[] = [];
  /** The errors for matching changes; the first match counts. */
  readonly refusals: { match: RegExp; error: (argv: readonly string[]) => Error }[] = [];

  /** Refuses matching changes like the kernel. */
  refuse(match: RegExp, answer: string): void {
    this.refusals.push({ match, error: (argv) => refusal(argv, answer) });
  }

  readonly run: Run = (argv) => {
    const line = argv.slice(1).join(" ");
    const refused = this.refusals.find(({ match }) => match.test(line));
    if (!line.includes(" show")) this.changes.push(line);
    if (refused !== undefined) return Promise.reject(refused.error(argv));
    const answer = this.#answer(line);
    if (answer === undefined) return Promise.reject(refusal(argv, "RTNETLINK answers: Invalid argument"));
    return Promise.resolve({ stdout: answer });
  };

  #answer(line: string): string | undefined {
    if (line === "-details -json address show") return JSON.stringify(this.#shownLinks());
    if (line === "-4 -json route show table all") return JSON.stringify(this.#shownRoutes());
    if (line === "-4 -json route show table all proto 107") {
      return JSON.stringify(this.#shownRoutes().filter(({ protocol }) => protocol === "107"));
    }
    const overlapping = /^-4 -json route show table all (match|root) (\S+)$/.exec(line);
    if (overlapping !== null) return JSON.stringify(this.#overlapping(overlapping[1]!, overlapping[2]!));
    if (line === "-4 -json rule show") return JSON.stringify(this.rules);
    // The tables `local` and `main` are apart.
    if (line.startsWith("-4 -json route get ")) return JSON.stringify([{ type: "local", dst: "10.107.0.1" }]);
    const { links, routes } = this;
    const [object, verb] = line.split(" ");
    const [, first = "", dev = ""] = /(?:name|local|add|delete) (\S+) (?:dev (\S+))?/.exec(line) ?? [];
    switch (`${object} ${verb}`) {
      case "link add": {
        const [, name = "", mac = "", kind = ""] = /name (\S+) address (\S+) .*?type (\S+)/.exec(line) ?? [];
        const [, peer = "", peerMac = ""] = /peer name (\S+) address (\S+)/.exec(line) ?? [];
        if (links.has(name) || links.has(peer)) return undefined;
        const down = { kind, up: false, addresses: [] };
        links.set(name, { mac, ...down, ...(kind === "veth" ? { peer } : {}) });
        if (kind === "veth") links.set(peer, { mac: peerMac, ...down, peer: name });
        return "";
      }
      case "link set": {
        const [, on = "", attribute = ""] = /dev (\S+) (up|addrgenmode none)$/.exec(line) ?? [];
        const link = links.get(on);
        if (link === undefined) return undefined;
        if (attribute === "up") link.up = true;
        return "";
      }
      case "link delete": {
        const name = /dev (\S+)/.exec(line)?.[1] ?? "";
        this.#dropRoutes((route) => route.dev === name);
        links.delete(links.get(name)?.peer ?? "");
        return links.delete(name) ? "" : undefined;
      }
      case "address add":
        links.get(dev)?.addresses.push(first);
        return links.has(dev) ? "" : undefined;
      case "address delete": {
        const link = links.get(dev);
        if (!link?.addresses.includes(first)) return undefined;
        link.addresses = link.addresses.filter((address) => address !== first);
        if (link.addresses.length === 0) this.#dropRoutes((route) => route.dev === dev);
        return "";
      }
      case "route add":
      case "route delete": {
        const [, to = "", on = "", proto = ""] = /local (\S+) dev (\S+) proto (\S+)/.exec(line) ?? [];
        const exists = routes.some((route) => route.to === to && route.dev === on);
        if (verb === "delete") {
          this.#dropRoutes((route) => route.to === to && route.dev === on && route.proto === proto);
          return exists ? "" : undefined;
        }
        if (exists || !links.get(on)?.up) return undefined;
        routes.push({ to, dev: on, proto });
        return "";
      }
    }
    return undefined;
  }

  /** Renames an interface. */
  rename(name: string, to: string): void {
    const link = this.links.get(name)!;
    this.links.delete(name);
    this.links.set(to, link);
    const peer = this.links.get(link.peer ?? "");
    if (peer !== undefined) peer.peer = to;
  }

  /** The kernel keeps local routes, so this does too. */
  setDown(name: string): void {
    this.links.get(name)!.up = false;
  }

  #dropRoutes(drop: (route: FakeRoute) => boolean): void {
    this.routes.splice(0, Infinity, ...this.routes.filter((route) => !drop(route)));
  }

  #shownLinks(): unknown[] {
    return [...this.links].map(([ifname, { mac, kind, up, master, addresses }]) => ({
      ifname,
      address: mac,
      flags: ["BROADCAST", ...(up ? ["UP"] : []), ...(this.#hasCarrier(ifname) ? ["LOWER_UP"] : [])],
      ...(master === undefined ? {} : { master }),
      ...(kind === "" ? {} : { linkinfo: { info_kind: kind } }),
      addr_info: addresses.map((text) => {
        const [local, prefix] = text.split("/");
        return { family: "inet", local, prefixlen: Number(prefix) };
      }),
    }));
  }

  /** A veth has one while both ends are up; a bridge while it has ports. */
  #hasCarrier(name: string): boolean {
    const link = this.links.get(name)!;
    if (link.kind === "bridge") return link.up && this.links.values().some(({ master }) => master === name);
    if (link.kind !== "veth") return link.up;
    const peer = this.links.get(link.peer ?? "");
    return link.up && peer?.up === true;
  }

  /** The routes that contain the subnet (`match`), or that it contains (`root`). */
  #overlapping(filter: string, subnet: string): unknown[] {
    const wanted = parseCidr(subnet)!;
    return this.#shownRoutes().filter(({ dst }) => {
      const to = dst === "default" ? { base: 0, prefix: 0 } : parseCidr(dst)!;
      const [outer, inner] = filter === "match" ? [to, wanted] : [wanted, to];
      return outer.prefix <= inner.prefix && cidrContains(outer, inner.base);
    });
  }

  #shownRoutes(): { dst: string; dev: string; protocol: string; table?: string }[] {
    return this.routes.map(({ to, proto, ...rest }) => ({ dst: to, protocol: proto, ...rest }));
  }
}

/** The error of `ip` when the kernel refuses. */
function refusal(argv: readonly string[], answer: string): CommandError {
  return new CommandError(`Cannot run "${argv.join(" ")}": exit code 2: ${answer}`, {
    argv,
    exitCode: 2,
    stderr: `${answer}\n`,
  });
}

/** The error of a run that took too long. */
export function hangs(argv: readonly string[]): CommandError {
  return new CommandError(`Cannot run "${argv.join(" ")}": it did not end within 5 s`, {
    argv,
    exitCode: 137,
    stderr: "",
  });
}
