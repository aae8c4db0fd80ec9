import { getLogger } from "@logtape/logtape";
import type { DnsController } from "../dns/controller.ts";
import { Forwarder } from "../forward/forwarder.ts";
import { ListenerProbe } from "../forward/listener_probe.ts";
import type { ListenerEffects } from "../sync/effects.ts";
import { IngressDialer } from "../trust/ingress_dialer.ts";
import { TrustSet } from "../trust/trust_set.ts";
import type { Daemon, Surroundings } from "./daemon.ts";
import { statePaths } from "./paths.ts";
import { type Shutdown, whenAborted } from "./shutdown.ts";

const log = getLogger(["ngrokd", "daemon"]);

/** The step of the shutdown that lets connections end. */
export const DRAIN = "drain connections";

const DRAIN_MS = 30_000;

/** Creates the trusted CAs, the dialer of the ingress, and the forwarder of connections. */
export async function openDataPath(
  { live, system, shutdown, account, ingress, addresses }: DataPathOptions,
): Promise<Pick<Daemon, "trust" | "dialer" | "forwarder" | "listenerProbe">> {
  const { files, listedCas } = system;
  const trust = new TrustSet({ files, learntPath: statePaths(live).learntCa, listed: listedCas });
  await trust.load(live.current.server.ingressCa);
  const proxy = () => live.current.proxy;
  const dialer = new IngressDialer({
    connect: system.connectTls,
    probeChain: system.probeChain,
    trust,
    proxy,
  });
  shutdown.add("end the probe of the ingress", () => dialer[Symbol.asyncDispose]());
  const forwarder = new Forwarder({
    listen: system.listenTcp,
    connect: (options) => dialer.connect(options),
    ingress,
    proxy,
    clientPair: () => account.pair,
    trust: () => trust.pems,
    admit: (peer, key) => addresses.admits(peer, key),
    hostRules: {
      isOwnAddress: (address) => addresses.isOwn(address),
      allowHosts: () => live.current.net.allowHosts,
    },
    halfCloseMs: () => live.current.net.halfCloseTimeoutMs,
  });
  const listenerProbe = new ListenerProbe({
    observe: () => forwarder.observe(),
    accepts: (key) => forwarder.accepts(key, system.connectTcp),
  });
  shutdown.add("close connections", () => forwarder[Symbol.asyncDispose]());
  const probing = listenerProbe.run(shutdown.signal);
  shutdown.add("end the probe of the listeners", () => probing);
  shutdown.add(DRAIN, () => drain(forwarder, shutdown));
  return { trust, dialer, forwarder, listenerProbe };
}

/** Returns the forwarder's listeners, for the control path. The DNS server gets the same routes. */
export function listenersOf(
  { forwarder, dns }: { forwarder: Forwarder; dns: DnsController },
): ListenerEffects {
  return {
    observe: () => forwarder.observe(),
    open: (where) => forwarder.open(where),
    close: (key) => forwarder.close(key),
    forget: (ids) => forwarder.forget(ids),
    setRoutes(table) {
      forwarder.setRoutes(table);
      dns.setRoutes(table);
    },
  };
}

/** The parts that the data path uses. */
export type DataPathOptions = Surroundings & Pick<Daemon, "account" | "ingress" | "addresses">;

/** Lets connections end, unless the daemon fails or is forced; false if one had to be cut. */
async function drain(forwarder: Forwarder, shutdown: Shutdown): Promise<boolean> {
  const count = forwarder.openConnections;
  if (count === 0 || !shutdown.isOrderly) return true;
  log.info("Waiting for running connections", { count, seconds: DRAIN_MS / 1000 });
  return await Promise.race([forwarder.drain(DRAIN_MS), whenAborted(shutdown.forced).then(() => false)]);
}
