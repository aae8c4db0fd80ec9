import assert from "node:assert/strict";
import type { Printed } from "../../sim/stage.ts";
import { say, shell } from "./commands.ts";

/** Shell: an /etc of which programs find what they need, and no name but its own. */
const ETC = `
mount -t tmpfs tmpfs /mnt
cp -a /etc/alternatives /mnt
echo 'hosts: files dns' >/mnt/nsswitch.conf
echo '127.0.0.1 localhost' >/mnt/hosts
: >/mnt/resolv.conf
mount --move /mnt /etc
`;

/** What {@linkcode Neighbour.open} makes. */
export interface NeighbourOptions {
  /** Of this machine, with the length of the prefix. */
  readonly ours: string;
  /** Of the neighbour; it asks from the first. */
  readonly theirs: readonly string[];
  /** Arguments of `ip route add` there. */
  readonly routes?: readonly string[];
}

/** A machine on the same network, with an /etc of its own, in namespaces that end with it. Its wire here is `lan0`. */
export class Neighbour implements AsyncDisposable {
  readonly #holder: Deno.ChildProcess;

  constructor(holder: Deno.ChildProcess) {
    this.#holder = holder;
  }

  static async open(options: NeighbourOptions): Promise<Neighbour> {
    const { ours, theirs, routes = [] } = options;
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
    for await (const _ready of holder.stdout) break;
    await shell(`
      ip link add lan0 type veth peer name lan1 netns ${holder.pid}
      ip address add ${ours} dev lan0
      ip link set lan0 up
    `);
    const lines = [
      "link set lo up",
      "link set lan1 up",
      ...theirs.map((address) => `address add ${address} dev lan1`),
      ...routes.map((route) => `route add ${route}`),
    ];
    await neighbour.succeeds(["/bin/sh", "-ec", lines.map((line) => `/sbin/ip ${line}`).join("\n")]);
    return neighbour;
  }

  /** Makes these its name servers, and nobody else. */
  async asks(...servers: readonly string[]): Promise<void> {
    const text = servers.map((server) => `nameserver ${server}\n`).join("");
    await this.succeeds(["/bin/sh", "-c", `printf '${text}' >/etc/resolv.conf`]);
  }

  /** Runs a program there, with this text as its input. */
  run(argv: readonly string[], input = ""): Promise<Printed> {
    return say(["nsenter", `--target=${this.#holder.pid}`, "--net", "--mount", ...argv], input);
  }

  /** The same, and demands that it succeeds; gives what it printed. */
  async succeeds(argv: readonly string[], input = ""): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, input);
    assert.equal(code, 0, `${argv.join(" ")}: ${stderr}`);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#holder.kill("SIGKILL");
    await this.#holder.status;
    await shell("/sbin/ip link delete lan0").catch(() => {});
  }
}
