import type { StatusReport } from "../../../src/model/report.ts";
import { Stage } from "../../../sim/stage.ts";
import type { Case } from "./cases.ts";
import { askEcho, askWeb, CLOSED, ECHO, RESET } from "./clients.ts";
import { normalize } from "./normalize.ts";

const WEB = "web.faults:8480";
const DB = "db.faults:7480";
const ENDPOINTS = 2;
/** `Cannot <verb> <object>: <state>`. */
const FAILURE_TEXT = /Cannot [a-z]+ .+: .+/;
/** The answer to an HTTP client while the ingress fails. */
const BAD_GATEWAY = "502: ngrokd: 502 Bad Gateway";
/** The daemon itself waits up to 15 s for an answer of the API. */
const STEP_LIMIT_MS = 45_000;
/** The daemon reads an endless list up to its page limit, at the pace of the request budget. */
const LIST_LIMIT_MS = 150_000;

/** Runs the real daemon against a simulated cloud with the faults of this case. */
export async function runCase(one: Case): Promise<Observation> {
  const { expect: { outcome, reads, silent }, switches = {} } = one;
  await using stage = await Stage.open({ cloud: { switches }, pollSeconds: 1 });
  const run = new CaseRun(one, stage);
  const { problems } = run;
  try {
    await run.run();
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  const userText = normalize(run.userText, stage);
  if (reads !== undefined && !reads.test(userText)) {
    problems.push(`the user reads "${userText}", which does not match ${reads}`);
  }
  if (outcome === "refused" && !silent && !FAILURE_TEXT.test(userText)) {
    problems.push(`the user reads "${userText}" instead of what failed and why`);
  }
  return { case: one, actions: run.actions.map((text) => normalize(text, stage)), userText, problems };
}

/** The observed behaviour in one case. */
export interface Observation {
  readonly case: Case;
  /** The actions of the daemon, a phrase each. */
  readonly actions: readonly string[];
  /** The text that the user reads, without the parts that differ from run to run. */
  readonly userText: string;
  /** The differences from the expected behaviour. */
  readonly problems: readonly string[];
}

class CaseRun {
  readonly actions: string[] = [];
  readonly problems: string[] = [];
  userText = "";
  readonly #case: Case;
  readonly #stage: Stage;

  constructor(one: Case, stage: Stage) {
    this.#case = one;
    this.#stage = stage;
  }

  async run(): Promise<void> {
    const { cloud } = this.#stage;
    cloud.addEndpoint({ url: `http://${WEB}`, backend: "http" });
    cloud.addEndpoint({ url: `tcp://${DB}`, backend: "echo" });
    const { moment } = this.#case;
    if (moment === "register") return await this.#duringRegistration();
    this.#stage.startDaemon();
    await this.#stage.settled(ENDPOINTS);
    if (moment !== "connect") await this.#mustServe("before the fault");
    if (moment === "poll") await this.#duringPoll();
    else if (moment === "renew") await this.#duringRenewal();
    else if (moment === "connect") await this.#duringConnection();
    else await this.#withSwitch();
  }

  async #duringRegistration(): Promise<void> {
    const stage = this.#stage;
    this.#setFaults();
    stage.startDaemon();
    const isRefused = await this.#untilOutcome(async () => {
      const status = await stage.askStatus();
      if (status.api.error !== null) return true;
      return status.registered && status.active_count === ENDPOINTS ? false : undefined;
    });
    if (!isRefused) return await this.#goesOn("registers and serves");
    this.userText = apiText(await stage.askStatus());
    this.actions.push("is not registered, and retries later");
    await this.#recover();
    const count = stage.cloud.operators().filter(({ deleted }) => !deleted).length;
    if (count !== 1) this.problems.push(`${count} operators are in the cloud instead of 1`);
  }

  async #duringPoll(): Promise<void> {
    const stage = this.#stage;
    const polls = new Set([(await stage.askStatus()).api.last_poll]);
    this.#setFaults();
    const isRefused = await this.#untilOutcome(async () => {
      const { api: { error, last_poll } } = await stage.askStatus();
      if (error !== null) return true;
      // The first poll may have begun before the fault was set.
      return polls.add(last_poll).size > 3 ? false : undefined;
    });
    if (this.#case.expect.outcome === "gone") {
      await stage.settled(0);
      this.actions.push("removes the endpoints after a second poll confirms it");
      return await this.#recover();
    }
    if (!isRefused) return await this.#goesOn("accepts the list");
    this.userText = apiText(await stage.askStatus());
    this.actions.push("rejects the whole list");
    await this.#mustKeepServing();
    await this.#recover();
  }

  async #duringRenewal(): Promise<void> {
    const stage = this.#stage;
    const before = (await stage.askStatus()).certificate?.serial;
    const isNew = async () => (await stage.askStatus()).certificate?.serial !== before;
    this.#setFaults();
    const answer = await stage.ask("refresh-cert", ["--force"]).then(String, (error: Error) => error);
    if (typeof answer === "string") {
      if (!await isNew()) this.problems.push("the command succeeded, but the certificate is the old one");
      return await this.#goesOn("renews, and uses the new certificate");
    }
    this.userText = answer.message;
    if (await isNew()) this.problems.push("the command failed, but the certificate is another one");
    this.actions.push("keeps its certificate");
    if (this.#case.expect.outcome !== "refused") this.problems.push("the renewal failed");
    await this.#mustKeepServing();
    stage.cloud.faults.clear();
    await stage.until("the renewal succeeds after the fault", async () => {
      await stage.ask("refresh-cert", ["--force"]);
      return await isNew();
    }, STEP_LIMIT_MS);
    this.actions.push("renews after the fault");
  }

  async #duringConnection(): Promise<void> {
    const stage = this.#stage;
    this.#setFaults();
    const { web, echo } = await this.#connectClients();
    this.actions.push(`curl gets “${web}”`, `a TCP client gets “${echo}”`);
    const { outcome, silent, reset } = this.#case.expect;
    const end = reset ? RESET : CLOSED;
    const isServed = web === "200" && echo === ECHO;
    const isExpected = outcome === "harmless"
      ? isServed
      : web === (silent ? end : BAD_GATEWAY) && echo === end;
    if (!isExpected) this.problems.push(`curl got “${web}”, a TCP client got “${echo}”`);
    const { ingress: { error, hint } } = await stage.askStatus();
    this.userText = error === null ? lastError(stage.log) : joinTexts(error, hint);
    stage.cloud.faults.clear();
    await stage.until("both endpoints answer after the fault", async () => {
      const later = await this.#connectClients();
      return later.web === "200" && later.echo === ECHO;
    }, STEP_LIMIT_MS);
    if (!isServed) this.actions.push("serves again after the fault");
  }

  /** Registers, renews, polls and serves while a switch has another value than the default. */
  async #withSwitch(): Promise<void> {
    if (this.#case.switches?.newCertificateForSameKey === undefined) {
      await this.#stage.ask("refresh-cert", ["--force"]);
    }
    await this.#goesOn("registers, lists, renews and serves");
  }

  #setFaults(): void {
    this.#stage.cloud.faults.set(...this.#case.faults ?? []);
  }

  /**
   * Waits until `isRefused` returns a value: true if the action fails, false if it succeeds.
   *
   * @throws {Error} If neither happens in time.
   */
  async #untilOutcome(isRefused: () => Promise<boolean | undefined>): Promise<boolean> {
    let seen: boolean | undefined;
    await this.#stage.until("the action fails or succeeds", async () => {
      seen = await isRefused();
      return seen !== undefined;
    }, LIST_LIMIT_MS);
    const { outcome } = this.#case.expect;
    if (outcome !== "gone" && seen !== (outcome === "refused")) {
      this.problems.push(seen ? "the action failed" : "the action succeeded");
    }
    return seen!;
  }

  async #goesOn(action: string): Promise<void> {
    this.actions.push(action);
    await this.#mustServe("afterwards");
  }

  async #recover(): Promise<void> {
    const stage = this.#stage;
    const { waits } = this.#case.expect;
    stage.cloud.faults.clear();
    // Without a new key the daemon would wait for minutes.
    if (waits) await stage.ask("set-api-key", [stage.cloud.apiKey]).catch(() => {});
    await stage.until("the daemon recovers", async () => {
      const status = await stage.askStatus();
      return status.api.state === "ok" && status.active_count === ENDPOINTS;
    }, LIST_LIMIT_MS);
    await this.#mustServe("after the fault");
    this.actions.push(waits ? "goes on once the key is set again" : "goes on by itself after the fault");
  }

  async #mustKeepServing(): Promise<void> {
    if (await this.#mustServe("during the fault")) this.actions.push(`serves all ${ENDPOINTS} endpoints`);
  }

  async #mustServe(when: string): Promise<boolean> {
    const { web, echo } = await this.#connectClients();
    const isServed = web === "200" && echo === ECHO;
    if (!isServed) this.problems.push(`${when}, curl got “${web}”, a TCP client got “${echo}”`);
    return isServed;
  }

  async #connectClients(): Promise<{ web: string; echo: string }> {
    const rows = await this.#stage.askList();
    const [webAddress, dbAddress] = [WEB, DB].map((host) =>
      rows.find(({ url }) => url.endsWith(`//${host}`))?.listen_address
    );
    if (!webAddress || !dbAddress) return { web: "no listener", echo: "no listener" };
    const [web, echo] = await Promise.all([askWeb(webAddress, WEB), askEcho(dbAddress)]);
    return { web, echo };
  }
}

function apiText({ api }: StatusReport): string {
  return `${api.state}: ${joinTexts(api.error, api.hint)}`;
}

function joinTexts(...texts: readonly (string | null)[]): string {
  return texts.filter((text) => text !== null).join(" — ");
}

/**
 * The last error of a connection in the log. `ingress.error` holds only failures of all
 * connections.
 */
function lastError(log: readonly string[]): string {
  return log.findLast((line) => /(?:ERROR|WARNING) forward.*web\.faults/.test(line)) ?? "";
}
