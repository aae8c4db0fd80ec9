import assert from "node:assert/strict";
import { decode, nameOf, replyTo } from "../dns/messages.ts";
import { shell } from "../root/commands.ts";
import { Neighbour } from "../root/neighbour.ts";
import { ClientStage } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";

const SOURCE = new URL("lookup.c", import.meta.url).pathname;

const test = clientTests(import.meta.url, { name: "musl", programs: { "musl-gcc": "musl-tools" } });

/** Names like `n12.example.org` have so many IPv4 addresses. */
function manyAddresses(request: Uint8Array): Uint8Array<ArrayBuffer>[] {
  const count = Number(/^n([0-9]+)\./.exec(nameOf(request))?.[1] ?? 0);
  const isA = decode(request).questions[0]!.type === "A";
  const addresses = Array.from({ length: isA ? count : 0 }, (_, index) => `192.0.2.${index + 1}`);
  return [replyTo(request, { addresses })];
}

// A musl before 1.2.4, as in Debian 12 and Alpine before 3.18, has no TCP.
test("network", "on another machine: resolves endpoints, and other names with long answers", async () => {
  await using neighbour = await Neighbour.open();
  await using daemon = await ClientStage.open({
    mode: "network",
    endpoints: { "http://a.example.com": "http" },
    otherNames: manyAddresses,
  });
  const program = `${daemon.stage.directory}/lookup`;
  await shell(`musl-gcc -static -o ${program} ${SOURCE}`);
  const address = neighbour.lan.address(1);
  await neighbour.useNameServers(address);
  const lookUp = async (name: string) => (await neighbour.run(["timeout", "20", program, name])).stdout;
  assert.equal(await lookUp("a.example.com"), `a.example.com ${address}\n`);
  for (const count of [1, 6, 29]) {
    const found = (await lookUp(`n${count}.example.org`)).trim().split(" ").slice(1);
    assert.equal(found.length, count, `${found}`);
  }
  // The answer has 640 octets: musl uses the addresses of a truncated reply.
  assert.equal((await lookUp("n38.example.org")).trim().split(" ").length, 1 + 29);
});
