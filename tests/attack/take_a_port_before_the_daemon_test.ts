import assert from "node:assert/strict";
import { echoOnce } from "../long/load.ts";
import { runProgram, shell } from "../root/commands.ts";
import { rootTests } from "../root/test_root.ts";
import { assertLeadsHome, Holder, NET, openStage, resolved, talk } from "./holder.ts";

const test = rootTests(import.meta.url, { etc: true });

test("a program on 0.0.0.0 gets no connection by name: its port is redirected, after a flush too", async () => {
  await using holder = await Holder.open("0.0.0.0", 5432);
  await using stage = await openStage();
  const before = await shell("/usr/sbin/nft list ruleset");
  stage.startDaemon();
  await assertLeadsHome(stage, holder);
  const [row] = await stage.askList();
  assert.deepEqual([row!.state, row!.listen_address], ["active", `${row!.ip}:9080`]);
  assert.match(row!.reason, /port held by another program, redirected/);
  // The other program keeps its clients.
  assert.equal((await runProgram(["nc", "-N", "-w", "5", "127.0.0.1", "5432"], "")).stdout, "stolen\n");

  await shell("/usr/sbin/nft flush ruleset");
  await stage.until("the redirect is back", async () => await talk() === "password\n");
  assert.equal(await stage.stopDaemon(), 0, stage.log.join("\n"));
  assert.equal(await shell("/usr/sbin/nft list ruleset"), before);
});

/** Leads port 5432 of this machine to port 7777, as the rules of containers do. */
function foreignChain(priority: number): string {
  return `table ip foreign {
  chain output {
    type nat hook output priority ${priority}; policy accept;
    fib daddr type local tcp dport 5432 dnat to 127.0.0.1:7777
  }
}`;
}

test("a later chain at -100 changes nothing, and one that comes before ours withdraws the name", async () => {
  await using holder = await Holder.open("0.0.0.0", 5432);
  await using container = await Holder.open("0.0.0.0", 7777);
  await using stage = await openStage();
  stage.startDaemon();
  await assertLeadsHome(stage, holder);
  assert.equal((await runProgram(["/usr/sbin/nft", "--file", "-"], foreignChain(-100))).stderr, "");
  assert.equal(await talk(), "password\n");
  assert.equal(container.received, "");
  await shell("/usr/sbin/nft delete table ip foreign");

  assert.equal((await runProgram(["/usr/sbin/nft", "--file", "-"], foreignChain(-199))).stderr, "");
  await stage.until("the name is withdrawn", async () => await resolved() === "");
  assert.match((await stage.askList())[0]!.reason, /not redirected: a test connection did not end at ngrokd/);
  await shell("/usr/sbin/nft delete table ip foreign");
  await assertLeadsHome(stage, holder);
});

test("a killed daemon's redirect is gone after cleanup or the next start, also without a journal", async () => {
  await using stage = await openStage();
  const redirects = async () => (await runProgram(["/usr/sbin/nft", "list", "table", "ip", "ngrokd"])).stdout;
  const journal = `${stage.etc}/journal.json`;
  const isServed = async () => (await stage.askList())[0]?.listen_address.endsWith(":5432") === true;
  for (const hasJournal of [true, false]) {
    for (const command of ["cleanup", "run"]) {
      await using holder = await Holder.open("0.0.0.0", 5432);
      // Without the task, which a SIGKILL would not pass on.
      stage.startDaemon({ flags: ["-P=ngrokd"] });
      await assertLeadsHome(stage, holder);
      const killed = await redirects();
      assert.match(killed, /: 10\.107\.[0-9.]+ \. 9080/);
      await stage.stopDaemon("SIGKILL");
      assert.equal(await redirects(), killed);
      if (!hasJournal) await Deno.writeTextFile(journal, "damaged");
      await holder[Symbol.asyncDispose]();
      if (command === "run") {
        stage.startDaemon();
        await stage.until("its own port is served", isServed);
        assert.equal(await redirects(), "");
        await stage.stopDaemon();
      } else {
        const { code, stderr } = await runProgram([Deno.execPath(), "task", "--quiet", "ngrokd", command]);
        assert.equal(code, 0, stderr);
      }
      assert.equal(await redirects(), "", `${command}, ${hasJournal}`);
    }
  }
});

for (
  const [how, prepare] of [
    ["redirects are off", "net: {redirect_held_ports: off}"],
    ["nft does not work", NET],
  ] as const
) {
  test(`a program on 0.0.0.0 gets no connection by name: ${how}, so the name is withdrawn`, async () => {
    await using holder = await Holder.open("0.0.0.0", 5432);
    await using stage = await openStage(prepare);
    if (prepare === NET) await shell("mount --bind /bin/false /usr/sbin/nft");
    stage.cloud.addEndpoint({ url: "http://other.myapp", backend: "http" });
    stage.startDaemon();
    await stage.until("the other name resolves", async () => await resolved("other.myapp") !== "");
    assert.equal(await resolved(), "");
    const [row] = (await stage.askList()).filter(({ hostname }) => hostname === "pg.myapp");
    assert.equal(row!.state, "degraded");
    assert.match(
      row!.reason,
      /5432 is in use.*use tcp:\/\/10\.107\.[0-9.]+:9080; .*ss -ltnp 'sport = :5432'/,
    );
    assert.match((await runProgram(["ss", "-ltnp", "sport = :5432"])).stdout, /python3/);
    await echoOnce(row!.listen_address, new TextEncoder().encode("by address"));
    assert.equal(holder.received, "");
    await holder[Symbol.asyncDispose]();
    await stage.until("the name is back", async () => await resolved() !== "");
    assert.equal(await talk(), "password\n");
  });
}

test("in network mode DNS answers only for names whose own port is served", async () => {
  await using _holder = await Holder.open("0.0.0.0", 5432);
  await using stage = await openStage("net: {listen_interface: 0.0.0.0}");
  stage.cloud.addEndpoint({ url: "tcp://free.myapp:5433", backend: "echo" });
  stage.cloud.addEndpoint({ url: "http://pg.myapp", backend: "http" });
  stage.startDaemon();
  const dig = async (name: string) =>
    (await runProgram(["dig", "+short", "+time=4", "+tries=1", "@127.0.0.1", name])).stdout;
  await stage.until("a free port's name resolves", async () => /^127/.test(await dig("free.myapp")));
  assert.equal(await dig("pg.myapp"), "");
  const rows = await stage.askList();
  const row = rows.find(({ url }) => url === "tcp://pg.myapp:5432");
  const web = rows.find(({ url }) => url === "http://pg.myapp")!;
  assert.match(await shell(/use (curl [^;]*)/.exec(web.reason)![1]!), /pg\.myapp/);
  assert.match(row!.reason, /5432 is in use.*use tcp:\/\/127\.0\.0\.1:9080/);
});
