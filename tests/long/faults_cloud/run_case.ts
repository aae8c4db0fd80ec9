import type { StatusReport } from "../../../src/model/report.ts";
import { Stage } from "../../../sim/stage.ts";
import type { Case } from "./cases.ts";
import { askEcho, askWeb } from "./clients.ts";
import { normalize } from "./normalize.ts";

/** What was seen of one case. */
export interface Observation {
  readonly case: Case;
  /** What the daemon did, one sentence each. */
  readonly did: readonly string[];
  /** What the user reads, as it was printed but for what differs from run to run. */
  readonly reads: string;
  /** What was expected and not seen. */
  readonly problems: readonly string[];
}

const WEB = "web.faults:8480";
const ECHO = "tcp://db.faults:7480";
const ENDPOINTS = 2;
/** `Cannot <verb> <object>: <state>`, or the same after "fail:" in the log. */
const FAILURE_TEXT = /Cannot [a-z]+ .+: .+/;
/** The replies that clients get while the ingress fails: to an HTTP request, and on a TCP connection. */
const BAD_GATEWAY = "502: ngrokd: 502 Bad Gateway";
const CLOSED = "closed without an answer";
/** The limits of the daemon itself are 15 s for an answer of the API. */
const STEP_LIMIT_MS = 45_000;
/** As many pages as the daemon reads, at the pace that the API allows. */
const LIST_LIMIT_MS = 150_000;

/** Runs the real daemon against the simulator with this case's faults; `slot` keeps its addresses apart from those of others. */
export async function runCase(one: Case, slot: number): Promise<Observation> {
  const stage = await Stage.open({
    cloud: { switches: one.switches ?? {}, seed: slot + 1 },
    sections: `bound_endpoints:\n  poll_interval: 1\nnet:\n  subnet: 127.${140 + slot}.0.0/16`,
  });
  await using running = new Run(one, stage);
  try {
    await running.go();
  } catch (error) {
    running.problems.push(error instanceof Error ? error.message : String(error));
  }
  const reads = normalize(running.reads, stage);
  const { expect: { reads: wanted } } = one;
  if (wanted !== undefined && !wanted.test(reads)) running.problems.push(`the user does not read ${wanted}`);
  if (one.expect.outcome === "refused" && !one.expect.silent && !FAILURE_TEXT.test(reads)) {
    running.problems.push(`the user reads "${reads}", not what failed and why`);
  }
  return {
    case: one,
    did: running.did.map((text) => normalize(text, stage)),
    reads,
    problems: running.problems,
  };
}

class Run implements AsyncDisposable {
  readonly did: string[] = [];
  readonly problems: string[] = [];
  reads = "";
  readonly #case: Case;
  readonly #stage: Stage;

  constructor(one: Case, stage: Stage) {
    this.#case = one;
    this.#stage = stage;
  }

  async go(): Promise<void> {
    const { cloud } = this.#stage;
    cloud.addEndpoint({ url: `http://${WEB}`, backend: "http" });
    cloud.addEndpoint({ url: ECHO, backend: "echo" });
    const { moment } = this.#case;
    if (moment === "register") return await this.#whileRegistering();
    this.#stage.startDaemon();
    await this.#stage.settled(ENDPOINTS);
    if (moment !== "connect") await this.#mustServe("before");
    if (moment === "poll") await this.#whilePolling();
    else if (moment === "renew") await this.#whileRenewing();
    else if (moment === "connect") await this.#whileConnecting();
    else await this.#underSwitch();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stage[Symbol.asyncDispose]();
  }

  async #whileRegistering(): Promise<void> {
    const stage = this.#stage;
    this.#setFaults();
    stage.startDaemon();
    const refused = await this.#outcomeOf(async () => {
      const status = await stage.askStatus();
      if (status.api.error !== null) return true;
      return status.registered && status.active_count === ENDPOINTS ? false : undefined;
    });
    if (!refused) return await this.#afterwards("registers and serves");
    this.reads = apiText(await stage.askStatus());
    this.did.push("is not registered, and tries again later");
    await this.#recover();
    const left = stage.cloud.operators().filter(({ deleted }) => !deleted).length;
    if (left !== 1) this.problems.push(`${left} operators are left in the cloud, not 1`);
  }

  async #whilePolling(): Promise<void> {
    const stage = this.#stage;
    const polls = new Set([(await stage.askStatus()).api.last_poll]);
    this.#setFaults();
    const { outcome } = this.#case.expect;
    const refused = await this.#outcomeOf(async () => {
      const { api: { error, last_poll } } = await stage.askStatus();
      if (error !== null) return true;
      // The first of them may have been under way when the fault came.
      return polls.add(last_poll).size > 3 ? false : undefined;
    });
    if (outcome === "gone") {
      await stage.settled(0);
      this.did.push("removes the endpoints after a second poll that agrees");
      return await this.#recover();
    }
    if (!refused) return await this.#afterwards("takes the list");
    this.reads = apiText(await stage.askStatus());
    this.did.push("rejects the list whole");
    await this.#mustServe("meanwhile");
    await this.#recover();
  }

  async #whileRenewing(): Promise<void> {
    const stage = this.#stage;
    const before = (await stage.askStatus()).certificate?.serial;
    this.#setFaults();
    const answer = await stage.ask("refresh-cert", ["--force"]).then(String, (error: Error) => error);
    const status = await stage.askStatus();
    const isNew = status.certificate?.serial !== before;
    if (typeof answer === "string") {
      if (!isNew) this.problems.push("it says renewed, and the certificate is the old one");
      return await this.#afterwards("renews, and uses the new certificate");
    }
    this.reads = answer.message;
    if (isNew) this.problems.push("the renewal failed, and the certificate is another one");
    this.did.push("keeps its certificate");
    if (this.#case.expect.outcome !== "refused") this.problems.push("refused, which it should not be");
    await this.#mustServe("meanwhile");
    stage.cloud.faults.clear();
    await stage.until("it renews afterwards", async () => {
      await stage.ask("refresh-cert", ["--force"]);
      return (await stage.askStatus()).certificate?.serial !== before;
    }, STEP_LIMIT_MS);
    this.did.push("renews as soon as it can");
  }

  async #whileConnecting(): Promise<void> {
    const stage = this.#stage;
    this.#setFaults();
    const [web, echo] = await this.#ask();
    this.did.push(`curl gets ${code(web)}`, `a TCP client gets ${code(echo)}`);
    const { outcome, silent } = this.#case.expect;
    const isRight = web === "200" && echo === "the echo";
    const isExpected = outcome === "harmless"
      ? isRight
      : web === (silent ? CLOSED : BAD_GATEWAY) && echo === CLOSED;
    if (!isExpected) this.problems.push(`curl got ${web}, a TCP client got ${echo}`);
    const { ingress } = await stage.askStatus();
    this.reads = ingress.error === null
      ? lastError(stage.log)
      : [ingress.error, ingress.hint ?? []].flat().join(" — ");
    stage.cloud.faults.clear();
    await stage.until("both endpoints answer again", async () => {
      const [again, echoAgain] = await this.#ask();
      return again === "200" && echoAgain === "the echo";
    }, STEP_LIMIT_MS);
    if (!isRight) this.did.push("serves again afterwards");
  }

  /** The main job, renewed and polled once more, under another reading of the protocol. */
  async #underSwitch(): Promise<void> {
    const stage = this.#stage;
    if (this.#case.switches?.newCertificateForSameKey === undefined) {
      await stage.ask("refresh-cert", ["--force"]);
    }
    await this.#afterwards("registers, lists, renews and serves");
  }

  #setFaults(): void {
    this.#stage.cloud.faults.set(...this.#case.faults ?? []);
  }

  /** True: refused; false: taken. @throws {Error} If neither is seen in time. */
  async #outcomeOf(look: () => Promise<boolean | undefined>): Promise<boolean> {
    let seen: boolean | undefined;
    await this.#stage.until("the fault shows, or does nothing", async () => {
      seen = await look();
      return seen !== undefined;
    }, LIST_LIMIT_MS);
    const { outcome } = this.#case.expect;
    if (outcome !== "gone" && seen !== (outcome === "refused")) {
      this.problems.push(seen ? "refused, which it should not be" : "taken, which it should not be");
    }
    return seen!;
  }

  async #afterwards(did: string): Promise<void> {
    this.did.push(did);
    await this.#mustServe("afterwards");
  }

  async #recover(): Promise<void> {
    const stage = this.#stage;
    stage.cloud.faults.clear();
    // A key that is set again is checked at once; without that, this would take minutes.
    if (this.#case.expect.waits) await stage.ask("set-api-key", [stage.cloud.apiKey]).catch(() => {});
    await stage.until("it recovers", async () => {
      const status = await stage.askStatus();
      return status.api.state === "ok" && status.active_count === ENDPOINTS;
    }, LIST_LIMIT_MS);
    await this.#mustServe("afterwards");
    this.did.push(
      this.#case.expect.waits ? "goes on once the key is set again" : "goes on by itself afterwards",
    );
  }

  async #mustServe(when: string): Promise<void> {
    const [web, echo] = await this.#ask();
    if (web !== "200" || echo !== "the echo") {
      this.problems.push(`${when}, curl got ${web}, a TCP client got ${echo}`);
    } else if (when === "meanwhile") {
      this.did.push(`serves all ${ENDPOINTS} endpoints`);
    }
  }

  async #ask(): Promise<[string, string]> {
    const rows = await this.#stage.askList();
    const listen = (url: string) => rows.find((row) => row.url.includes(url))?.listen_address;
    const [web, echo] = [listen("//web.faults"), listen("//db.faults")];
    if (web === undefined || echo === undefined) return ["no listener", "no listener"];
    return await Promise.all([askWeb(web, WEB), askEcho(echo)]);
  }
}

function apiText({ api }: StatusReport): string {
  return `${api.state}: ${[api.error ?? [], api.hint ?? []].flat().join(" — ")}`;
}

/** The log's last error or warning about a connection, for what is not the ingress's fault as a whole. */
function lastError(log: readonly string[]): string {
  return log.findLast((line) => /(?:ERROR|WARNING) forward.*web\.faults/.test(line)) ?? "";
}

function code(text: string): string {
  return `“${text}”`;
}
