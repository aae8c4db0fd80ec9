import type { Area } from "../../src/config/key.ts";

/** A key, a value that is not the default, the same value after parsing, and its area. */
export type Sample = readonly [name: string, raw: unknown, parsed: unknown, area: Area];

/** A sample for every key. */
export const SAMPLES: readonly Sample[] = [
  ["api.url", "https://api.example.com:8443/v1//", "https://api.example.com:8443/v1", "api"],
  ["api.key", "2abc_DEF", "2abc_DEF", "api"],
  [
    "ingressEndpoint",
    "Ingress.Example.com:8443",
    { hostname: "ingress.example.com", port: 8443 },
    "ingress",
  ],
  [
    "proxy_url",
    "http://us%40er:p%C3%A4ss%3A@Proxy.Example.com:3128",
    {
      scheme: "http",
      hostname: "proxy.example.com",
      port: 3128,
      username: "us@er",
      password: "päss:",
      setting: "proxy_url",
    },
    "api",
  ],
  ["server.log_level", "debug", "debug", "log"],
  ["server.log_format", "json", "json", "log"],
  ["server.socket_path", "/tmp/s.sock", "/tmp/s.sock", "restart"],
  ["server.client_cert", "/tmp/c.crt", "/tmp/c.crt", "restart"],
  ["server.client_key", "/tmp/c.key", "/tmp/c.key", "restart"],
  ["server.cert_refresh_interval", 60, 60_000, "identity"],
  ["server.health_address", "0.0.0.0", "0.0.0.0", "health"],
  ["server.health_port", 9000, 9000, "health"],
  [
    "server.health_hosts",
    ["Ngrokd.monitoring.SVC.", "*.example.com"],
    ["ngrokd.monitoring.svc", "*.example.com"],
    "health",
  ],
  ["server.drain_seconds", 20, 20_000, "end"],
  ["server.probe_interval", 60, 60_000, "probes"],
  ["server.probe_endpoints", false, false, "probes"],
  ["server.ingress_ca", "/tmp/ca.pem", "/tmp/ca.pem", "ingress"],
  ["bound_endpoints.poll_interval", 5, 5000, "poll"],
  ["bound_endpoints.selectors", ["x == 'a'", true], ["x == 'a'", "true"], "operator"],
  ["net.interface_name", "my-if.0", "my-if.0", "restart"],
  ["net.subnet", "10.9.8.7/24", { base: 0x0a090800, prefix: 24 }, "endpoints"],
  ["net.listen_interface", "eth0", "eth0", "endpoints"],
  ["net.start_port", 10000, 10000, "endpoints"],
  ["net.publish_moved_ports", true, true, "endpoints"],
  ["net.redirect_held_ports", "off", "off", "endpoints"],
  [
    "net.overrides",
    { "DB.example.com.": "0.0.0.0", "*.example.com": "virtual" },
    Object.assign(Object.create(null), { "db.example.com": "0.0.0.0", "*.example.com": "virtual" }),
    "endpoints",
  ],
  ["net.allow_names", ["DB.", "*.Corp"], ["db", "*.corp"], "endpoints"],
  ["net.deny_names", ["Bank.example"], ["bank.example"], "endpoints"],
  ["net.shadow_public", "Refuse", "refuse", "endpoints"],
  ["net.allow_ports", [22, "389"], [22, 389], "endpoints"],
  [
    "net.allow_cidrs",
    ["192.0.2.7/24", "198.51.100.9"],
    [{ base: 0xc0000200, prefix: 24 }, { base: 0xc6336409, prefix: 32 }],
    "endpoints",
  ],
  [
    "net.allow_hosts",
    ["Dev.Corp.", "*.corp", "http://a:81/"],
    ["dev.corp", "*.corp", "http://a:81"],
    "connections",
  ],
  ["net.half_close_timeout", 5, 5_000, "connections"],
  ["net.idle_timeout", 600, 600_000, "connections"],
  ["net.advertise_ip", "192.0.2.1", "192.0.2.1", "endpoints"],
  ["net.advertise_ips", ["192.0.2.1", "192.0.2.2"], ["192.0.2.1", "192.0.2.2"], "endpoints"],
  ["dns.enabled", true, true, "dns"],
  ["dns.listen", "127.0.0.1:5353", "127.0.0.1:5353", "dns"],
  ["dns.manage_resolv_conf", false, false, "dns"],
  [
    "dns.upstream",
    ["9.9.9.9", "localhost:54", "2001:DB8::1", "[2001:db8::2]:54", "[fe80::1%eth0]"],
    ["9.9.9.9:53", "127.0.0.1:54", "[2001:db8::1]:53", "[2001:db8::2]:54", "[fe80::1%eth0]:53"],
    "dns",
  ],
  ["dns.allow_private", ["NAS.corp.", "*.lan"], ["nas.corp", "*.lan"], "dns"],
];

/** The content of a file that sets these keys. */
export function fileWith(values: readonly (readonly [name: string, value: unknown])[]): object {
  const file: Record<string, unknown> = {};
  for (const [path, value] of values) {
    const [section, key] = path.split(".") as [string, string?];
    if (key === undefined) file[section] = value;
    else Object.assign(file[section] ??= {}, { [key]: value });
  }
  return file;
}
