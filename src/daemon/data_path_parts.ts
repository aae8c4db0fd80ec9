import { getLogger } from "@logtape/logtape";
import type { DnsController } from "../dns/controller.ts";
import { MIN_MEMORY_BYTES, planSlots, type SlotPlan } from "../forward/admission/slot_plan.ts";
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

const MIB = 2 ** 20;

/** Creates the trusted CAs, the dialer of the ingress, and the forwarder of connections. */
export async function openDataPath(
  { live, system, shutdown, account, ingress, ingressChoice, addresses }: DataPathOptions,
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
    substitutes: ingressChoice,
    proxy,
    clientPair: () => account.pair,
    trust: () => trust.pems,
    admit: (peer, key) => addresses.admits(peer, key),
    hostRules: {
      isOwnAddress: (address) => addresses.isOwn(address),
      allowHosts: () => live.current.net.allowHosts,
    },
    halfCloseMs: () => live.current.net.halfCloseTimeoutMs,
    plan: slotPlan(system.memoryLimit()),
    idleTimeoutMs: () => live.current.net.idleTimeoutMs,
    probeIntervalMs: () => live.current.server.probeIntervalMs,
    probeEndpoints: () => live.current.server.probeEndpoints,
    probeDelays: system.probeOptions,
  });
  const listenerProbe = new ListenerProbe({
    observe: () => forwarder.observe(),
    accepts: (key) => forwarder.accepts(key, system.connectTcp),
  });
  shutdown.add("close connections", () => forwarder[Symbol.asyncDispose]());
  const probing = listenerProbe.run(shutdown.signal);
  shutdown.add("end the probe of the listeners", () => probing);
  const pathProbing = forwarder.runProbe(shutdown.signal);
  shutdown.add("end the probe of the way to the ingress", () => pathProbing);
  shutdown.add(DRAIN, () => drain(forwarder, { shutdown, ms: live.current.server.drainMs }));
  return { trust, dialer, forwarder, listenerProbe };
}

/** Derives the limits of connections from the memory limit, and logs them. */
function slotPlan(memoryBytes: number): SlotPlan {
  const plan = planSlots(memoryBytes);
  const memory_mib = Math.floor(memoryBytes / MIB);
  log.info("Up to {slots} connections at once fit into the memory limit", { slots: plan.slots, memory_mib });
  if (plan.isTooSmall) {
    log.warn("The memory limit is too small; the system can end ngrokd when many peers stall", {
      memory_mib,
      hint: `Give the service, or the container, at least ${MIN_MEMORY_BYTES / MIB} MiB`,
    });
  }
  return plan;
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
export type DataPathOptions =
  & Surroundings
  & Pick<Daemon, "account" | "ingress" | "ingressChoice" | "addresses">;

/** Lets connections end, unless the daemon fails or is forced; false if a busy one was cut. */
async function drain(
  forwarder: Forwarder,
  { shutdown, ms }: { readonly shutdown: Shutdown; readonly ms: number },
): Promise<boolean> {
  const count = forwarder.openConnections;
  if (count === 0 || !shutdown.isOrderly) return true;
  if (ms > 0) log.info("Waiting for running connections", { count, seconds: ms / 1000 });
  const cut = await Promise.race([
    forwarder.drain(ms),
    whenAborted(shutdown.forced).then(() => forwarder.openConnections),
  ]);
  if (cut > 0) log.warn("Ended connections that were still busy", { count: cut });
  return cut === 0;
}
