import FakeTimers from "@sinonjs/fake-timers";
import { ApiClient } from "../../src/cloud/client.ts";
import { listOperatorIds } from "../../src/cloud/list_operators.ts";
import { Renewals } from "../../src/daemon/renewals.ts";
import { createSigningRequest } from "../../src/identity/csr.ts";
import { IdentityStore } from "../../src/identity/store.ts";
import { Account } from "../../src/sync/account.ts";
import { realSystem } from "../../src/system/system.ts";
import type { SimulatedCloud } from "../cloud/cloud.ts";
import { SeededRandom } from "../cloud/seeded_random.ts";

const START = Date.UTC(2027, 0, 1);
const HOUR_MS = 3600_000;
const realSetTimeout = setTimeout;

/** The lives of certificates that renewal is proven with. */
export const LIVES: readonly (readonly [name: string, lifeMs: number])[] = [
  ["90 d", 90 * 24 * HOUR_MS],
  ["7 d", 7 * 24 * HOUR_MS],
  ["24 h", 24 * HOUR_MS],
  ["1 h", HOUR_MS],
  ["10 min", 600_000],
];

/** One run: daemons that register in the same second and live until each has renewed once. */
export interface RunPlan {
  readonly lifeMs: number;
  readonly seed: number;
  /** Whether the API is down until half of the window is over. */
  readonly down: boolean;
  readonly daemons: number;
}

interface Member {
  readonly account: Account;
  readonly renewals: Renewals;
}

/**
 * Runs the real loop with the real account, store and API client against the simulator, in faked time; gives what was wrong. Every step
 * of time ends at a timer, and before it goes on whatever was asked of the cloud has been answered.
 */
export async function runRenewal(cloud: SimulatedCloud, plan: RunPlan): Promise<string[]> {
  const { lifeMs, seed, down, daemons } = plan;
  const clock = FakeTimers.install({
    now: START,
    toFake: ["Date", "performance", "setTimeout", "clearTimeout"],
  });
  const directory = await Deno.makeTempDir({ prefix: "ngrokd-renewal-" });
  const random = new SeededRandom(seed);
  const stop = new AbortController();
  const problems: string[] = [];
  let pending = 0;
  const settled = async <T>(task: () => Promise<T>): Promise<T> => {
    pending++;
    try {
      return await task();
    } finally {
      pending--;
    }
  };
  async function idle(): Promise<void> {
    do {
      for (let turn = 0; turn < 30; turn++) await Promise.resolve();
      if (pending > 0) await new Promise((resolve) => realSetTimeout(resolve, 0));
    } while (pending > 0);
  }
  try {
    cloud.reset();
    cloud.setRateLimit(Number.MAX_SAFE_INTEGER);
    cloud.setCertificateLifetime(lifeMs);
    const members: Member[] = [];
    for (let number = 0; number < daemons; number++) {
      const account = await register(cloud, { directory: `${directory}/${number}`, signal: stop.signal });
      const client = clientOf(cloud);
      const renewals = new Renewals({
        account: {
          get certificate() {
            return account.certificate;
          },
          get operatorId() {
            return account.operatorId;
          },
          renew: (options) => settled(() => account.renew(options)),
        },
        intervalMs: () => HOUR_MS,
        listOperators: (signal) => settled(() => listOperatorIds(client, signal)),
        random: () => random.next(),
      });
      members.push({ account, renewals });
    }
    const { notAfter } = members[0]!.account.certificate!;
    const opensAt = notAfter - lifeMs / 3;
    const first = cloud.requests().length;
    if (down) await cloud.closeApi();
    let isDown = down;
    clock.setSystemTime(START + lifeMs * 0.655);
    const runs = members.map(({ renewals }) => renewals.run(stop.signal));
    await idle();
    const old = members.map(({ account }) => account.certificate!.serial);
    const isDone = () => members.every(({ account }, index) => account.certificate!.serial !== old[index]);
    while (!isDone() && Date.now() < notAfter) {
      if (isDown && Date.now() >= opensAt + lifeMs / 6) {
        await cloud.openApi();
        isDown = false;
      }
      clock.next();
      const expired = members.filter(({ account }) => account.pair!.info.notAfter <= Date.now());
      if (expired.length > 0) {
        problems.push(`a dial at ${stamp(Date.now())} would use an expired certificate`);
      }
      await idle();
    }
    if (!isDone()) problems.push("it was not renewed before the end");
    const renewed = cloud.requests().slice(first).filter(({ route, body, status }) =>
      route === "operators.update" && body.includes("csr") && status === 200
    ).map(({ at }) => at);
    if (renewed.length !== daemons) problems.push(`${renewed.length} renewals of ${daemons} daemons`);
    if (new Set(renewed.map((at) => Math.floor(at / 1000))).size !== renewed.length) {
      problems.push(`two in one second: ${renewed.map(stamp).join(", ")}`);
    }
    const late = renewed.filter((at) => at < opensAt || !down && at >= opensAt + lifeMs / 30);
    if (late.length > 0) problems.push(`not in the first tenth: ${late.map(stamp).join(", ")}`);
    stop.abort();
    await Promise.all(runs);
    if (isDown) await cloud.openApi();
  } finally {
    stop.abort();
    clock.uninstall();
    await Deno.remove(directory, { recursive: true });
  }
  return problems;
}

/** An account of its own that has registered; its identity is kept in the directory. */
export async function register(
  cloud: SimulatedCloud,
  options: { directory: string; signal: AbortSignal },
): Promise<Account> {
  const { directory, signal } = options;
  const account = new Account({
    client: clientOf(cloud),
    store: new IdentityStore({
      directory,
      certPath: `${directory}/tls.crt`,
      keyPath: `${directory}/tls.key`,
      files: realSystem().files,
    }),
    createRequest: createSigningRequest,
    hasKey: () => true,
    selectors: () => ["true"],
  });
  await account.load();
  await account.discover(signal);
  return account;
}

/** A client with the key of the simulator, and a budget of its own. */
export function clientOf(cloud: SimulatedCloud): ApiClient {
  return new ApiClient({
    baseUrl: () => cloud.apiUrl,
    key: () => cloud.apiKey,
    send: realSystem().sendHttp,
    userAgent: "test",
  });
}

function stamp(ms: number): string {
  return new Date(ms).toISOString();
}
