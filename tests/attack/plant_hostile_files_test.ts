import assert from "node:assert/strict";
import { FILE_ROWS, type FileRow } from "../../scripts/hostile/file_rows.ts";
import { Stage } from "../../sim/stage.ts";
import { get } from "../e2e/client.ts";
import { shell } from "../root/commands.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { NEEDS_ROOT, ROOT_REASON } from "../root/needs_root.ts";

const HOST = "api.myapp:8181";

/** A stage on which a daemon has run, so that all state files exist. */
async function usedStage(): Promise<Stage> {
  const stage = await Stage.open({ pollSeconds: 1 });
  stage.cloud.addEndpoint({ url: `http://${HOST}`, backend: "http" });
  stage.startDaemon();
  await assertServes(stage);
  assert.equal(await stage.stopDaemon(), 0);
  return stage;
}

async function assertServes(stage: Stage, wanted = 200): Promise<void> {
  await stage.until(`an answer of the endpoint with status ${wanted}`, async () => {
    const [row] = await stage.askList().catch(() => []);
    // Connections before the new certificate may have made it failing.
    if (row?.state !== "active" && row?.state !== "failing") return false;
    return await get(row.listen_address, HOST).then(({ status }) => status === wanted, () => false);
  });
}

/** Starts a daemon that must end by itself, and returns its exit code. */
async function failedStart(stage: Stage): Promise<number> {
  stage.startDaemon();
  let code: number | undefined;
  const ended = stage.daemonEnded.then((result) => void (code = result));
  await stage.until("the end of the daemon", () => code !== undefined);
  await ended;
  return code!;
}

async function assertAnswer(stage: Stage, { answer, says, status }: FileRow): Promise<void> {
  if (answer === "refuses") {
    assert.equal(await failedStart(stage), 1);
    assert.ok(stage.log.join("\n").includes(says), stage.log.join("\n"));
    await stage.stopDaemon();
    return;
  }
  stage.startDaemon();
  const isSaid = async () => JSON.stringify(await stage.askStatus().catch(() => "")).includes(says);
  await stage.until(`"${says}" in status`, isSaid);
  await assertServes(stage, status);
  assert.equal(await stage.stopDaemon(), 0, stage.log.join("\n"));
}

Deno.test({
  name: `every hostile file is reported, and what can be served is served${ROOT_REASON}`,
  ignore: NEEDS_ROOT,
  async fn(test) {
    await using stage = await usedStage();
    const { directory } = stage;
    await using copy = await temporaryDirectory();
    await shell(`cp -a '${directory}/.' '${copy.path}/'`);
    for (const row of FILE_ROWS) {
      await test.step(`${row.path} is ${row.is}: ngrokd ${row.answer}`, async () => {
        await shell(`find '${directory}' -mindepth 1 -delete; cp -a '${copy.path}/.' '${directory}/'`);
        await shell(`f='${directory}/${row.path}'; ${row.make}`);
        stage.log.length = 0;
        await assertAnswer(stage, row);
        if (row.says.includes("no section")) await Deno.stat(`${directory}/${row.path}.victim`);
      });
    }
  },
});
