import assert from "node:assert/strict";
import { clientTests } from "./client_tests.ts";
import { besideThis, WEB_NAMES, WebStage } from "./web_stage.ts";

const test = clientTests(import.meta.url, { name: "Node http.Agent", programs: { node: "nodejs" } });

const [A, B] = WEB_NAMES;

test("network", "sends requests for several hosts over one connection by address", async () => {
  await using web = await WebStage.open("network");
  const hosts = [A, B, A, A, B, B];
  const printed = await web.daemon.succeeds(["node", besideThis("agent_requests.mjs"), A, "80", ...hosts]);
  const answers = hosts.map((host) => `200 ${host} ${host}\n`).join("");
  assert.equal(printed, `${answers}1 connections\n`);
});
