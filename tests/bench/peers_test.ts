import assert from "node:assert/strict";
import { type ClientSetup, PEERS, type ServerSetup } from "../../bench/peers.ts";
import { makeServerCertificate } from "../../bench/server_certificate.ts";

const CLIENT: ClientSetup = {
  listenPort: 1001,
  farEndPort: 1002,
  certPath: "/t/client.crt",
  keyPath: "/t/client.key",
  pairPath: "/t/client.pem",
  caPath: "/t/ca.pem",
};
const SERVER: ServerSetup = {
  routes: [{ listenPort: 2001, backendPort: 3001 }, { listenPort: 2002, backendPort: 3002 }],
  certPath: "/t/server.crt",
  keyPath: "/t/server.key",
  pairPath: "/t/server.pem",
  clientCertPath: "/t/client.crt",
  clientCaPath: "/t/client-ca.pem",
};

function peer(name: string): (typeof PEERS)[number] {
  return PEERS.find((candidate) => candidate.name === name)!;
}

Deno.test("each peer sends its certificate, verifies the far end, and uses TLS 1.3", () => {
  const haproxy = peer("haproxy").clientConfig(CLIENT);
  assert.match(haproxy, /nbthread 1\n/);
  assert.match(haproxy, /bind 127\.0\.0\.1:1001\n/);
  assert.match(
    haproxy,
    /127\.0\.0\.1:1002 ssl crt \/t\/client\.pem ca-file \/t\/ca\.pem verify required verifyhost localhost .*force-tlsv13\n/,
  );
  const stunnel = peer("stunnel").clientConfig(CLIENT);
  const connection = ["client = yes", "accept = 127.0.0.1:1001", "connect = 127.0.0.1:1002"];
  const files = ["cert = /t/client.crt", "key = /t/client.key", "CAfile = /t/ca.pem"];
  const checks = ["verifyChain = yes", "checkIP = 127.0.0.1", "sslVersion = TLSv1.3"];
  const lines = stunnel.split("\n");
  for (const line of [...connection, ...files, ...checks]) assert.ok(lines.includes(line), line);
});

Deno.test("each peer as the far end requests a client certificate on all ports", () => {
  const haproxy = peer("haproxy").serverConfig(SERVER);
  const binds = haproxy.match(/ca-file \/t\/client-ca\.pem .*verify required ssl-min-ver TLSv1\.3/g);
  assert.equal(binds?.length, 2);
  assert.match(haproxy, /bind 127\.0\.0\.1:2002 .*\n {2}server backend 127\.0\.0\.1:3002\n/);
  const stunnel = peer("stunnel").serverConfig(SERVER);
  const services = stunnel.match(/^CAfile = \/t\/client\.crt\nverifyPeer = yes\nsslVersion = TLSv1\.3$/gm);
  assert.equal(services?.length, 2);
  assert.match(stunnel, /accept = 127\.0\.0\.1:2002\nconnect = 127\.0\.0\.1:3002\n/);
});

Deno.test("the server certificate is valid for localhost and 127.0.0.1 under its CA", async () => {
  const { cert, key, caPem } = await makeServerCertificate();
  using listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
  for (const hostname of ["localhost", "127.0.0.1"]) {
    const accepted = listener.accept().then(async (conn) => {
      await conn.handshake();
      conn.close();
    });
    const conn = await Deno.connectTls({ hostname, port: listener.addr.port, caCerts: [caPem] });
    await Promise.all([conn.handshake(), accepted]);
    conn.close();
  }
});
