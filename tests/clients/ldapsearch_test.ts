import assert from "node:assert/strict";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { ClientStage, type Mode } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";
import { RealServer } from "./real_server.ts";

const test = clientTests(import.meta.url, {
  name: "ldapsearch",
  programs: { ldapsearch: "ldap-utils", "/usr/sbin/slapd": "slapd" },
});

/** Starts an OpenLDAP server with the suffix `cn=NAME` and a certificate for `NAME.example.com`. */
async function startSlapd(name: string, { directory, ca }: { directory: string; ca: TestCa }) {
  const { cert, key } = await ca.pair({ names: [`${name}.example.com`] });
  const path = `${directory}/${name}`;
  await Deno.writeTextFile(`${path}.crt`, cert);
  await Deno.writeTextFile(`${path}.key`, key);
  await Deno.writeTextFile(
    `${path}.conf`,
    [
      `TLSCertificateFile ${path}.crt`,
      `TLSCertificateKeyFile ${path}.key`,
      "modulepath /usr/lib/ldap",
      "moduleload back_null",
      "database null",
      `suffix cn=${name}\n`,
    ].join("\n"),
  );
  return await RealServer.start((port) => [
    ...["/usr/sbin/slapd", "-d", "0", "-h", `ldap://127.0.0.1:${port}`, "-f", `${path}.conf`],
  ]);
}

async function open(mode: Mode, scheme: "tcp" | "tls") {
  const stack = new AsyncDisposableStack();
  const { path: directory } = stack.use(await temporaryDirectory());
  const ca = await TestCa.create();
  await Deno.writeTextFile(`${directory}/ca.pem`, ca.pem);
  const one = stack.use(await startSlapd("one", { directory, ca }));
  const two = stack.use(await startSlapd("two", { directory, ca }));
  // The second tcp endpoint would get another port in network mode.
  const second = scheme === "tls" ? "tls://two.example.com:389" : "tcp://two.example.com:390";
  const daemon = stack.use(
    await ClientStage.open({
      mode,
      endpoints: { [`${scheme}://one.example.com:389`]: one.backend, [second]: two.backend },
      net: "allow_ports: [389, 390]",
    }),
  );
  return {
    daemon,
    search: (url: string, ...more: string[]) =>
      daemon.run([
        ...["env", `LDAPTLS_CACERT=${directory}/ca.pem`, "ldapsearch", "-x", "-LLL", "-o", "nettimeout=8"],
        ...["-H", url, ...more, "-s", "base", "-b", "", "namingContexts"],
      ]),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

for (const mode of ["virtual", "network"] satisfies Mode[]) {
  test(mode, "searches through a tcp endpoint, with StartTLS and without", async () => {
    await using opened = await open(mode, "tcp");
    for (const more of [[], ["-ZZ"]]) {
      const { stdout, stderr } = await opened.search("ldap://one.example.com", ...more);
      assert.match(stdout, /namingContexts: cn=one/, stderr);
    }
  });
}

test("network", "searches with StartTLS through one tls port that two servers share", async () => {
  await using opened = await open("network", "tls");
  for (const name of ["one", "two"]) {
    const { stdout, stderr } = await opened.search(`ldap://${name}.example.com`, "-ZZ");
    assert.match(stdout, new RegExp(`namingContexts: cn=${name}`), stderr);
  }
  const plain = await opened.search("ldap://one.example.com");
  assert.notEqual(plain.code, 0);
  const line =
    "Cannot route a connection on 0.0.0.0:389: it names no endpoint; it looks like LDAP without TLS";
  const { stage } = opened.daemon;
  await stage.until(line, () => stage.log.some((text) => text.includes(line)));
});
