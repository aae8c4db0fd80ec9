import assert from "node:assert/strict";
import { clientTests } from "./client_tests.ts";
import { besideThis, WEB_NAMES, WebStage } from "./web_stage.ts";

const PYTHON = "/usr/bin/python3";
const test = clientTests(import.meta.url, {
  name: "aiohttp",
  programs: { [PYTHON]: "python3-aiohttp", node: "nodejs" },
});

const [A, B] = WEB_NAMES;

test("network", "opens a WebSocket in a session that it has used before", async () => {
  await using web = await WebStage.open("network");
  const urls = [`http://${A}/`, `http://${B}/`, `ws://${A}/`, `ws://${B}/`];
  const printed = await web.daemon.succeeds([PYTHON, besideThis("aiohttp_requests.py"), ...urls]);
  assert.equal(printed, `200 ${A} ${A}\n200 ${B} ${B}\nhello\nhello\n2 connections\n`);
});

test("virtual", "opens a WebSocket in a session that it has used before", async () => {
  await using web = await WebStage.open("virtual");
  const host = await web.address();
  for (const name of [host, A]) {
    const urls = [`http://${name}/`, `ws://${name}/`];
    const printed = await web.daemon.succeeds([PYTHON, besideThis("aiohttp_requests.py"), ...urls]);
    assert.equal(printed, `200 ${A} ${A}\nhello\n1 connections\n`);
  }
});
