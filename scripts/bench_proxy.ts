// Compares three ways to the far end of mutual TLS: directly, through an HTTP proxy and our relay, and through it with node:tls.
import { connect as connectNode, createServer, type Server, type TLSSocket } from "node:tls";
import type { AddressInfo } from "node:net";
import net from "node:net";
import process from "node:process";
import type { Proxy } from "../src/model/proxy.ts";
import { connectTls } from "../src/system/net.ts";
import { writeOut } from "../src/system/terminal.ts";
import { TestAuthority } from "../tests/fakes/certificates.ts";

const HOST = "localhost";
const BYTES_EACH = 256 * 1024 * 1024;
const CHUNK = new Uint8Array(64 * 1024);
const DIALS = 200;

/** The far end and the proxy run in processes of their own: their work must not count for ours. */
async function child(role: string): Promise<{ port: number; stop(): Promise<void> }> {
  const process = new Deno.Command("deno", {
    args: ["run", "-P=bench", "--no-prompt", "--quiet", new URL(import.meta.url).pathname, role],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = process.stdout.getReader();
  const { value } = await reader.read();
  const port = Number(new TextDecoder().decode(value));
  return {
    port,
    async stop() {
      process.kill("SIGKILL");
      await process.status;
      await reader.cancel();
    },
  };
}

const PEM_DIRECTORY = "/tmp/ngrokd-bench-proxy";

/** Takes a first byte: `d` sends {@linkcode BYTES_EACH}, `u` swallows all and answers one byte. */
function farEnd(pems: { cert: string; key: string; ca: string }): Server {
  return createServer({ ...pems, requestCert: true, rejectUnauthorized: true }, (socket) => {
    socket.on("error", () => {});
    socket.once("data", (first) => {
      if (first[0] === 0x64) {
        let left = BYTES_EACH;
        const pump = (): void => {
          while (left > 0) {
            left -= CHUNK.length;
            if (!socket.write(CHUNK)) return void socket.once("drain", pump);
          }
          socket.end();
        };
        pump();
      } else {
        socket.on("data", () => {});
        socket.on("end", () => socket.end("k"));
      }
    });
  });
}

/** CONNECT and no more. */
function plainProxy(): net.Server {
  return net.createServer({ allowHalfOpen: true }, (client) => {
    client.on("error", () => {});
    client.once("data", (head) => {
      const port = Number(/^CONNECT [^:]+:([0-9]+)/.exec(head.toString())?.[1]);
      const far = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => {
        client.write("HTTP/1.1 200 OK\r\n\r\n");
        client.pipe(far);
        far.pipe(client);
      });
      far.on("error", () => client.destroy());
    });
  });
}

interface Way {
  readonly name: string;
  /** Opens, moves bytes in one direction, and closes. */
  readonly move: (direction: "d" | "u" | "none") => Promise<void>;
}

async function main(): Promise<void> {
  const authority = await TestAuthority.create();
  const server = await authority.issue({ names: [HOST] });
  const client = await authority.issue({ names: ["client"] });
  await Deno.mkdir(PEM_DIRECTORY, { recursive: true });
  await Deno.writeTextFile(`${PEM_DIRECTORY}/pems.json`, JSON.stringify({ ...server, ca: authority.pem }));
  const far = await child("far");
  const proxy = await child("proxy");
  const options = { hostname: HOST, port: far.port, ...client, caCerts: [authority.pem], timeoutMs: 10_000 };
  const through: Proxy = {
    scheme: "http",
    hostname: "127.0.0.1",
    port: proxy.port,
    username: "",
    password: "",
    setting: "proxy_url",
  };

  async function moveDeno(direction: string, viaProxy: boolean): Promise<void> {
    const stream = await connectTls(viaProxy ? { ...options, proxy: through } : options);
    const buffer = new Uint8Array(64 * 1024);
    if (direction !== "none") await stream.write(new TextEncoder().encode(direction));
    if (direction === "u") {
      for (let sent = 0; sent < BYTES_EACH;) sent += await stream.write(CHUNK);
      await stream.closeWrite();
    }
    if (direction !== "none") { while (await stream.read(buffer) !== null); }
    stream.close();
  }

  async function moveNode(direction: string): Promise<void> {
    const raw = net.connect({ host: "127.0.0.1", port: proxy.port });
    await new Promise<void>((resolve, reject) => {
      raw.once("error", reject);
      raw.write(`CONNECT ${HOST}:${far.port} HTTP/1.1\r\n\r\n`);
      raw.once("data", () => resolve());
    });
    const socket: TLSSocket = connectNode({ socket: raw, servername: HOST, ...client, ca: [authority.pem] });
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve);
      socket.once("error", reject);
    });
    if (direction !== "none") {
      const ended = new Promise<void>((resolve) => socket.once("end", resolve));
      socket.on("data", () => {});
      socket.write(direction);
      if (direction === "u") {
        for (let sent = 0; sent < BYTES_EACH; sent += CHUNK.length) {
          if (!socket.write(CHUNK)) {
            await new Promise<void>((resolve) => socket.once("drain", () => resolve()));
          }
        }
        socket.end();
      }
      await ended;
    }
    socket.destroy();
  }

  const ways: readonly Way[] = [
    { name: "direct", move: (direction) => moveDeno(direction, false) },
    { name: "proxy + relay", move: (direction) => moveDeno(direction, true) },
    { name: "proxy + node:tls", move: moveNode },
  ];
  writeOut(
    "| way | down, 1 stream | down, 8 | up, 1 stream | up, 8 | connect | memory after |\n|---|---|---|---|---|---|---|\n",
  );
  for (const { name, move } of ways) {
    const cells: string[] = [];
    for (const direction of ["d", "u"] as const) {
      for (const streams of [1, 8]) cells.push(await rate(streams, () => move(direction)));
    }
    const times: number[] = [];
    for (let i = 0; i < DIALS; i++) {
      const start = performance.now();
      await move("none");
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    cells.push(`${times[DIALS / 2]!.toFixed(1)} ms`, `${Math.round(Deno.memoryUsage().rss / 2 ** 20)} MB`);
    writeOut(`| ${name} | ${cells.join(" | ")} |\n`);
  }
  await far.stop();
  await proxy.stop();
  await Deno.remove(PEM_DIRECTORY, { recursive: true });
}

/** Rate over all streams, and the CPU time of this process for a GB. */
async function rate(streams: number, move: () => Promise<void>): Promise<string> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await Promise.all(Array.from({ length: streams }, move));
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const gb = streams * BYTES_EACH / 1e9;
  return `${Math.round(gb * 1000 / seconds)} MB/s, ${((user + system) / 1e6 / gb).toFixed(1)} CPU-s/GB`;
}

if (Deno.args[0] === "far") {
  const server = farEnd(JSON.parse(await Deno.readTextFile(`${PEM_DIRECTORY}/pems.json`)));
  server.listen(0, "127.0.0.1", () => writeOut(String((server.address() as AddressInfo).port)));
} else if (Deno.args[0] === "proxy") {
  const server = plainProxy();
  server.listen(0, "127.0.0.1", () => writeOut(String((server.address() as AddressInfo).port)));
} else {
  await main();
  Deno.exit(0);
}
