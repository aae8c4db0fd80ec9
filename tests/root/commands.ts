import type { Printed } from "../../sim/stage.ts";

/** Runs a program with this input. */
export async function runProgram(argv: readonly string[], input = ""): Promise<Printed> {
  const [command, ...args] = argv;
  const child = new Deno.Command(command!, {
    args,
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writing = new Blob([input]).stream().pipeTo(child.stdin).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await writing;
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Runs shell lines and returns what they print. @throws {Error} If one fails. */
export async function shell(script: string): Promise<string> {
  const { code, stdout, stderr } = await runProgram(["/bin/sh", "-ec", script]);
  if (code !== 0) throw new Error(`${script}: ${stderr}`);
  return stdout;
}

/**
 * All that ngrokd may change on a machine: hosts file and resolv.conf with modes and owners,
 * interfaces, routes, redirects and sockets.
 */
export async function machineState(): Promise<Record<string, string>> {
  return {
    hosts: await shell("cat /etc/hosts; stat --format='%a %U:%G' /etc/hosts; ls /etc/hosts*"),
    resolver: await shell(`
      cat /etc/resolv.conf
      stat --format='%a %U:%G' /etc/resolv.conf
      find /etc /etc/ngrokd -maxdepth 1 -name 'resolv.conf?*'
    `),
    network: await networkState(),
    sockets: await shell("find /run -name 'ngrokd*' -type s"),
  };
}

/** All interfaces, addresses, routes and tables of nftables. */
export async function networkState(): Promise<string> {
  return await shell(`
    /sbin/ip -brief address show
    /sbin/ip -4 route show table all
    [ ! -x /usr/sbin/nft ] || /usr/sbin/nft list ruleset
  `);
}
