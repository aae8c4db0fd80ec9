import assert from "node:assert/strict";
import { ApiClient } from "../../src/cloud/client.ts";
import { ApiError } from "../../src/model/errors.ts";
import { sendHttp } from "../../src/system/http.ts";
import { presentChain } from "../fakes/chain_server.ts";
import { makeCert } from "../fakes/test_ca.ts";

Deno.test("ApiClient sends an API whose certificate nobody vouches for not one byte, the key least of all (F35)", async () => {
  const stranger = await makeCert({ subject: "CN=Stranger CA", isCa: true });
  await using server = await presentChain([
    await makeCert({ subject: "CN=api", issuer: stranger, names: ["localhost"] }),
    stranger,
  ]);
  const client = new ApiClient({
    baseUrl: () => `https://localhost:${server.port}`,
    key: () => "key_secret",
    send: sendHttp,
    userAgent: "test",
  });
  await assert.rejects(
    client.request("GET", "/kubernetes_operators", { action: "list" }),
    (error) => error instanceof ApiError && error.code === "unreachable",
  );
  assert.ok(server.connections() > 0);
  assert.equal(server.received(), 0);
});
