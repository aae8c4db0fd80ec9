import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { ClientStage, type Mode } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";
import { RealServer } from "./real_server.ts";

const PYTHON = "/usr/bin/python3";
const PEER = fileURLToPath(import.meta.resolve("./grpc_peer.py"));

const test = clientTests(import.meta.url, {
  name: "gRPC (Python)",
  programs: { [PYTHON]: "python3-grpcio" },
});

for (const mode of ["virtual", "network"] satisfies Mode[]) {
  test(mode, "calls an http endpoint without TLS", async () => {
    await using server = await RealServer.start((port) => [PYTHON, PEER, "serve", `${port}`]);
    await using daemon = await ClientStage.open({
      mode,
      endpoints: { "http://grpc.example.com:50051": server.backend, "http://other.example.com": "http" },
    });
    const printed = await daemon.succeeds([PYTHON, PEER, "call", "grpc.example.com:50051"]);
    assert.equal(printed, "echoed 1000000 bytes, then abc\n");
  });
}

// GOAWAY alone, without an answer to the call, made the client connect 400 times in a second.
test("network", "shows why a port that several endpoints share is refused", async () => {
  await using server = await RealServer.start((port) => [PYTHON, PEER, "serve", `${port}`]);
  await using daemon = await ClientStage.open({
    mode: "network",
    endpoints: { "http://a.example.com:50051": server.backend, "http://b.example.com:50051": server.backend },
  });
  const refused = await daemon.succeeds([PYTHON, PEER, "call", "a.example.com:50051"]);
  assert.match(refused, /^FAILED_PRECONDITION: ngrokd cannot route HTTP\/2 without TLS[^]*ngrokctl list\n$/);
  const [row] = (await daemon.stage.askList()).filter(({ url }) => url === "http://a.example.com:50051");
  const own = /on port ([0-9]+)$/.exec(row!.reason!)![1];
  const printed = await daemon.succeeds([PYTHON, PEER, "call", `localhost:${own}`]);
  assert.equal(printed, "echoed 1000000 bytes, then abc\n", "by the port of its own, as the reason says");
});
