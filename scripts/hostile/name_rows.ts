/** Names that endpoints of a hostile account have, by what the account wants. */
export const HOSTILE_NAMES: Readonly<Record<string, readonly string[]>> = {
  "this machine": [
    ...["localhost", "db.localhost", "*.localhost", "localhost.localdomain", "ip6-loopback", "broadcasthost"],
    ...["laptop", "laptop.corp.example", "laptop.local", "corp.example", "*.corp.example"],
  ],
  "the hosts that ngrokd connects to": [
    ...["api.ngrok.com", "*.ngrok.com", "kubernetes-binding-ingress.ngrok.io", "*.ngrok.io"],
    ...["connect.ngrok-endpoints.com", "raw.githubusercontent.com", "proxy.corp", "*.corp"],
  ],
  "names to which this machine adds a search domain": [
    ...["proxy.corp.lab.example", "*.corp.lab.example", "laptop.lab.example", "api.ngrok.com.corp.example"],
    ...["metadata.google.internal.lab.example", "*.lab.example", "lab.example"],
  ],
  "the configuration of programs": [
    ...["wpad.home", "wpad", "wpad2.office.home", "isatap.home", "_acme-challenge.shop.home", "*._tcp.home"],
  ],
  "machines that programs trust": [
    ...[
      "metadata.google.internal",
      "*.google.internal",
      "instance-data.ec2.internal",
      "host.docker.internal",
    ],
    ...["host.containers.internal", "kubernetes.default.svc", "*.cluster.local", "use-application-dns.net"],
  ],
  "many names at once": ["*.com", "*.internal", "*.co.uk", "*.github.io", "*.bank.com", "*.unanswered.com"],
  "one name of others": ["metadata", "db", "nas.home", "*.lab.home", "payroll.denied.home", "www.bank.com"],
  "the hosts file": [
    ...["evil.home\n6.6.6.6 bank.com", "evil.home#", "# END ngrokd managed section", "../../etc/cron.d/evil"],
    ...["6.6.6.6", "0x06060606", "[::1]", "\u0435vil.home", "evil..home", "$(touch evil).home", "*.*.home"],
  ],
  "nothing: good names, for comparison": [
    ...[
      "db.internal",
      "db.lab.example",
      "api.myapp",
      "*.apps.example.com",
      "private.bank.com",
      "*.private.bank.com",
    ],
  ],
};
