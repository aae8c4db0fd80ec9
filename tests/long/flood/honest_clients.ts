import { sleep } from "../../../src/system/clock.ts";
import { message } from "../../dns/messages.ts";
import { TcpClient } from "../../dns/client.ts";
import { clientHello, records } from "../../fakes/client_hello.ts";
import { echoOnce } from "../load.ts";

/** The ports of the listeners. */
export const PORTS = { http: 8080, tls: 8443, dns: 8053 } as const;

const GET = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a.flood\r\n\r\n");
const HELLO = records(clientHello({ name: "b.flood" }));
const QUERY = message({ name: "a.flood" });
/** The interval between two clients of a listener. */
const INTERVAL_MS = 25;

/** Sends requests of each kind until it is stopped. */
export class HonestClients {
  /** The duration of each request. */
  readonly timesMs: number[] = [];
  readonly problems: string[] = [];
  readonly #requests: readonly (() => Promise<void>)[];

  constructor(requests: readonly (() => Promise<void>)[]) {
    this.#requests = requests;
  }

  /** Sends `count` requests of each kind, one after the other. */
  async warmUp(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent++) await Promise.all(this.#requests.map((request) => request()));
  }

  /** Sends requests of each kind, one after the other, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#requests.map(async (request) => {
      while (!signal.aborted) {
        const start = performance.now();
        await request().catch((error) => this.problems.push(`an honest client failed: ${error}`));
        this.timesMs.push(performance.now() - start);
        await sleep(INTERVAL_MS);
      }
    }));
  }
}

/** The requests to every listener at this address. */
export function listenerRequests(address: string): readonly (() => Promise<void>)[] {
  return [
    () => echoOnce(`${address}:${PORTS.http}`, GET),
    () => echoOnce(`${address}:${PORTS.tls}`, HELLO),
    () => askDns(address),
  ];
}

/**
 * Queries the DNS server from the same source address as the flood. Connections of one source are
 * limited, so the server may close this one before it reads the query. A client then repeats the
 * query (RFC 7766 6.2.4), and the time of both attempts counts.
 */
async function askDns(address: string): Promise<void> {
  const reply = await askDnsOnce(address) ?? await askDnsOnce(address);
  if (reply === undefined) throw new Error("The DNS server closed the connection twice without a reply");
  // A header has 12 octets: id, flags with the response code in the low half of the fourth octet,
  // and the number of answers in the seventh and eighth.
  const isRight = reply[0] === QUERY[0] && reply[1] === QUERY[1] && (reply[3]! & 15) === 0 && reply[7] === 1;
  if (!isRight) throw new Error(`The DNS server sent another reply: ${reply.subarray(0, 12).toHex()}`);
}

async function askDnsOnce(address: string): Promise<Uint8Array | undefined> {
  using client = await TcpClient.connect(PORTS.dns, address);
  return await client.exchange(QUERY);
}
