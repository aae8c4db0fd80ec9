// Clients that send DNS queries over TCP. An attack runs this file as a process of its own.
import { frameMessage } from "../../src/dns/frame.ts";
import { sleep } from "../../src/system/clock.ts";
import { writeOut } from "../../src/system/terminal.ts";
import { message } from "../dns/messages.ts";

const BATCH_BYTES = 65_536;

/** Starts the clients, which send until the process is killed; resolves once all have connected. */
export async function startClients(options: HostileDnsClients): Promise<void> {
  await Promise.all(Array.from({ length: options.connections }, async (_, index) => {
    const batch = batchOf(options.name, index);
    let conn = await connect(options);
    void (async () => {
      for (;; conn = await connect(options)) {
        // A client that the server has closed connects again.
        await Promise.all([send(conn, batch, options), discard(conn)]).catch(() => conn.close());
      }
    })();
  }));
}

/** The clients of one attack. */
export interface HostileDnsClients {
  readonly hostname: string;
  readonly port: number;
  readonly connections: number;
  /** The name of every query; `*` stands for a number that is new in each query. */
  readonly name: string;
  /** The octets of one write. */
  readonly pieceBytes: number;
  /** The pause between two writes. */
  readonly pauseMs: number;
}

function connect({ hostname, port }: HostileDnsClients): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname, port });
}

function batchOf(name: string, index: number): Uint8Array {
  const batch: number[] = [];
  for (let count = 0; batch.length < BATCH_BYTES; count++) {
    batch.push(...frameMessage(message({ name: name.replace("*", `n${index}x${count}`) })));
  }
  return new Uint8Array(batch);
}

async function send(conn: Deno.Conn, batch: Uint8Array, options: HostileDnsClients): Promise<never> {
  const { pieceBytes, pauseMs } = options;
  for (let at = 0;; at %= batch.length) {
    at += await conn.write(batch.subarray(at, at + pieceBytes));
    if (pauseMs > 0) await sleep(pauseMs);
  }
}

async function discard(conn: Deno.Conn): Promise<never> {
  const buffer = new Uint8Array(BATCH_BYTES);
  while (await conn.read(buffer) !== null);
  throw new Deno.errors.ConnectionReset("The server has closed the connection");
}

if (import.meta.main) {
  await startClients(JSON.parse(Deno.args[0]!));
  writeOut("running\n");
}
