import { withoutWildcard } from "../../lib/hostname.ts";
import { isLocalhostName } from "../../lib/loopback_host.ts";

const LOCAL_NAMES: ReadonlySet<string> = new Set([
  "localdomain",
  "localhost.localdomain",
  "localhost4",
  "localhost6",
  "localhost4.localdomain4",
  "localhost6.localdomain6",
  "ip6-localhost",
  "ip6-loopback",
  "ip6-localnet",
  "ip6-mcastprefix",
  "ip6-allnodes",
  "ip6-allrouters",
  "ip6-allhosts",
  "broadcasthost",
]);

/** Names that programs ask for by themselves, and trust with credentials or their configuration. */
export const WELL_KNOWN_NAMES: readonly string[] = [
  // Instance metadata of clouds, which hands out credentials.
  "metadata.google.internal",
  "metadata.goog",
  "instance-data.ec2.internal",
  "metadata.azure.internal",
  "metadata.azure.com",
  "metadata.tencentyun.com",
  "metadata.platformequinix.com",
  "rancher-metadata.rancher.internal",
  // The host of a container or of a virtual machine.
  "host.docker.internal",
  "gateway.docker.internal",
  "vm.docker.internal",
  "kubernetes.docker.internal",
  "docker.for.mac.host.internal",
  "docker.for.win.host.internal",
  "host.containers.internal",
  "host.lima.internal",
  "host.minikube.internal",
  "control-plane.minikube.internal",
  "host.k3d.internal",
  "host.orb.internal",
  "host.rancher-desktop.internal",
  // The API of a Kubernetes cluster.
  "kubernetes.default",
  "kubernetes.default.svc",
  "kubernetes.default.svc.cluster.local",
  // Names by which programs find out about the network (RFC 7050, RFC 9462, and two vendors).
  "ipv4only.arpa",
  "resolver.arpa",
  "use-application-dns.net",
  "mask.icloud.com",
  "mask-h2.icloud.com",
];

/** Returns true if a name, or the suffix of a wildcard, means this machine (RFC 6761 6.3). */
export function isLocalName(name: string): boolean {
  const bare = withoutWildcard(name);
  return LOCAL_NAMES.has(bare) || isLocalhostName(bare);
}

/**
 * Returns the first label by which programs find a proxy, a tunnel or a service on their own:
 * `wpad…`, `isatap`, `_…`. Below a wildcard, the DNS server does not answer for such names.
 */
export function discoveryLabel(name: string): string | undefined {
  const labels = name.split(".");
  const [first = ""] = labels;
  if (first.startsWith("wpad") || first === "isatap") return first;
  return labels.find((label) => label.startsWith("_"));
}
