import type { DnsController } from "../dns/controller.ts";
import { PublicLookup } from "../dns/public_lookup.ts";
import { normalizeHostname } from "../lib/hostname.ts";
import { cidrsContain } from "../lib/ipv4.ts";
import { MAX_HOSTS_BYTES } from "../names/hosts/hosts_file.ts";
import type { PublishedNames } from "../names/hosts/published_names.ts";
import { toText } from "../names/managed_file.ts";
import { PolicyKeeper } from "../names/policy/policy_keeper.ts";
import { RESOLV_CONF } from "../names/select.ts";
import type { Daemon, Surroundings } from "./daemon.ts";
import { hostsPath } from "./paths.ts";

/** Creates the policy for the names of endpoints, with the look-ups that it needs. */
export function openNamePolicy(options: NamePolicyOptions): PolicyKeeper {
  const { live, system, shutdown, ingress, addresses, dns, names, onChange } = options;
  const path = hostsPath(system);
  const own = () => system.localAddresses().map(({ address }) => address);
  const lookup = new PublicLookup({
    listenUdp: system.listenUdp,
    connectTcp: system.connectTcp,
    files: system.files,
    configured: () => live.current.dns.upstream,
    own: () => dns.ownServers,
    holds: system.holds,
    isOurs: (address) =>
      cidrsContain([addresses.subnet], address) || own().includes(address) ||
      address === live.current.net.advertiseIp,
  });
  const keeper = new PolicyKeeper({
    configured() {
      const { allowNames, denyNames, shadowPublic } = live.current.net;
      return {
        hostname: system.hostname(),
        hostsPath: path,
        // The cloud may name another ingress at any time.
        reserved: [...live.serverHosts, normalizeHostname(ingress().hostname)],
        allowed: allowNames,
        denied: denyNames,
        shadowPublic,
      };
    },
    own: () => names.own,
    readHosts: async () => toText(await system.files.readBytesIfAny(path, MAX_HOSTS_BYTES)),
    readResolvConf: async () => await system.files.readTextIfAny(RESOLV_CONF) ?? "",
    lookUp: (name) => lookup.lookUp(name),
    onChange,
  });
  shutdown.addWait("finish the look-ups of public names", () => {
    lookup[Symbol.dispose]();
    return keeper.close();
  });
  return keeper;
}

/** The parts that the policy depends on. */
export interface NamePolicyOptions extends Surroundings, Pick<Daemon, "ingress" | "addresses"> {
  readonly names: Pick<PublishedNames, "own">;
  readonly dns: Pick<DnsController, "ownServers">;
  /** Called when decisions may differ from those of the last round. */
  readonly onChange: () => Promise<void>;
}
