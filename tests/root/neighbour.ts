import assert from "node:assert/strict";
import type { Printed } from "../../sim/stage.ts";
import { runProgram, shell } from "./commands.ts";
import { Lan } from "./lan.ts";

/** Shell lines for an /etc in which programs find what they need, and no name but localhost. */
const ETC = `
mount -t tmpfs tmpfs /mnt
cp -a /etc/alternatives /mnt
echo 'hosts: files dns' >/mnt/nsswitch.conf
echo '127.0.0.1 localhost' >/mnt/hosts
: >/mnt/resolv.conf
mount --move /mnt /etc
`;

/** Another machine on a network with this one, in namespaces of its own and with its own /etc. */
export class Neighbour implements AsyncDisposable {
  /** The network: this machine is host 1, the neighbour host 2. */
  readonly lan: Lan = new Lan();
  readonly #holder: Deno.ChildProcess;

  constructor(holder: Deno.ChildProcess) {
    this.#holder = holder;
  }

  static async open(options: NeighbourOptions = {}): Promise<Neighbour> {
    const { addresses = [], routes = () => [] } = options;
    const holder = new Deno.Command("unshare", {
      args: [
        ...["--net", "--mount", "--propagation", "private", "/bin/sh", "-ec"],
        `${ETC}\necho ready; exec sleep 120`,
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const neighbour = new Neighbour(holder);
    const { lan } = neighbour;
    for await (const _ready of holder.stdout) break;
    await lan.create(lan.cidr(1));
    await shell(`/sbin/ip link set ${lan.peer} netns ${holder.pid}`);
    const lines = [
      "link set lo up",
      `link set ${lan.peer} up`,
      ...[lan.cidr(2), ...addresses].map((address) => `address add ${address} dev ${lan.peer}`),
      ...routes(lan).map((route) => `route add ${route}`),
    ];
    await neighbour.succeeds(["/bin/sh", "-ec", lines.map((line) => `/sbin/ip ${line}`).join("\n")]);
    return neighbour;
  }

  /** Makes these the only name servers of the neighbour. */
  async useNameServers(...servers: readonly string[]): Promise<void> {
    const text = servers.map((server) => `nameserver ${server}\n`).join("");
    await this.succeeds(["/bin/sh", "-c", `printf '${text}' >/etc/resolv.conf`]);
  }

  /** A program that starts another one on the neighbour. */
  get enter(): readonly string[] {
    return ["nsenter", `--target=${this.#holder.pid}`, "--net", "--mount"];
  }

  /** Runs a program on the neighbour with this input. */
  run(argv: readonly string[], input = ""): Promise<Printed> {
    return runProgram([...this.enter, ...argv], input);
  }

  /** Runs a program on the neighbour, demands that it succeeds, and returns what it prints. */
  async succeeds(argv: readonly string[], input = ""): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, input);
    assert.equal(code, 0, `${argv.join(" ")}: ${stderr}`);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#holder.kill("SIGKILL");
    await this.#holder.status;
    await this.lan.delete().catch(() => {});
  }
}

/** Options of {@linkcode Neighbour.open}. */
export interface NeighbourOptions {
  /** More addresses of the neighbour, with the length of the prefix. It connects from host 2. */
  readonly addresses?: readonly string[];
  /** Arguments of `ip route add` on the neighbour. */
  readonly routes?: (lan: Lan) => readonly string[];
}
