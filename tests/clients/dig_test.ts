import assert from "node:assert/strict";
import { decode, nameOf, type PacketRecord, replyOf } from "../dns/messages.ts";
import { ClientStage, type Mode } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";

const test = clientTests(import.meta.url, { name: "dig", programs: { dig: "dnsutils" } });

const NXDOMAIN = 3;
const MAIL = { preference: 10, exchange: "mail.example.com" };

/** The zone of the account's owner in the public DNS. */
const RECORDS: readonly PacketRecord[] = [
  { name: "a.example.com", type: "MX", ttl: 60, data: MAIL },
  { name: "a.example.com", type: "TXT", ttl: 60, data: "v=spf1 -all" },
  { name: "_sip._tcp.a.example.com", type: "SRV", ttl: 60, data: { port: 5060, target: "sip.example.com" } },
  { name: "x.apps.example.com", type: "CNAME", ttl: 60, data: "host.provider.com" },
  { name: "host.provider.com", type: "TXT", ttl: 60, data: "site-verification=1" },
  { name: "_acme-challenge.x.apps.example.com", type: "TXT", ttl: 60, data: "token" },
  { name: "wpad.apps.example.com", type: "A", ttl: 60, data: "192.0.2.80" },
];

function fromZone(request: Uint8Array): Uint8Array<ArrayBuffer>[] {
  const { type } = decode(request).questions[0]!;
  const answers: PacketRecord[] = [];
  for (let name: string | undefined = nameOf(request); name !== undefined;) {
    const own = RECORDS.filter((record) => record.name === name);
    answers.push(...own.filter((record) => record.type === type || record.type === "CNAME"));
    name = own.find((record) => record.type === "CNAME")?.data as string | undefined;
  }
  const exists = RECORDS.some(({ name }) => name === nameOf(request));
  return [replyOf(request, exists ? { answers } : { rcode: NXDOMAIN })];
}

for (const mode of ["virtual", "network"] satisfies Mode[]) {
  test(mode, "gets MX, TXT, SRV and SOA of endpoint names from the public DNS", async () => {
    await using daemon = await ClientStage.open({
      mode,
      endpoints: {
        "http://a.example.com": "http",
        "http://only-here.example.com": "http",
        "http://*.apps.example.com": "http",
      },
      otherNames: fromZone,
      dns: "enabled: true",
    });
    const { stage } = daemon;
    const dig = (...args: string[]) =>
      daemon.succeeds(["dig", "+time=4", "+tries=1", "@10.107.0.1", ...args]);
    const own = (name: string) => dig("+short", name, "A");
    await stage.until("all names resolve", async () => await own("x.apps.example.com") !== "");
    const addresses = await Promise.all(["a.example.com", "x.apps.example.com"].map(own));
    const rows: [name: string, type: string, records: string][] = [
      ["a.example.com", "MX", "10 mail.example.com.\n"],
      ["a.example.com", "TXT", '"v=spf1 -all"\n'],
      ["_sip._tcp.a.example.com", "SRV", "0 0 5060 sip.example.com.\n"],
      ["x.apps.example.com", "TXT", '"site-verification=1"\n'],
      ["_acme-challenge.x.apps.example.com", "TXT", '"token"\n'],
      ["wpad.apps.example.com", "A", "192.0.2.80\n"],
      ["a.example.com", "AAAA", ""],
      ["x.apps.example.com", "HTTPS", ""],
      ["x.apps.example.com", "CNAME", ""],
    ];
    for (const [name, type, records] of rows) assert.equal(await dig("+short", name, type), records, name);
    // The public DNS does not know the name, but it exists here.
    for (const type of ["MX", "TXT", "SRV", "SOA", "AAAA", "CNAME"]) {
      assert.match(await dig("only-here.example.com", type), /status: NOERROR[^]*ANSWER: 0/, type);
    }
    assert.match(await dig("no.example.com", "MX"), /status: NXDOMAIN/);
    assert.deepEqual(await Promise.all(["a.example.com", "x.apps.example.com"].map(own)), addresses);
  });
}
