import type { Printed } from "../../sim/stage.ts";

/** Runs a program with this text as its input. */
export async function say(argv: readonly string[], input = ""): Promise<Printed> {
  const [command, ...args] = argv;
  const child = new Deno.Command(command!, {
    args,
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writing = (async () => {
    await new Blob([input]).stream().pipeTo(child.stdin);
  })().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await writing;
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Shell, for surroundings that only root can make. @throws {Error} If it fails, with what it printed. */
export async function shell(script: string): Promise<string> {
  const { code, stdout, stderr } = await say(["/bin/sh", "-ec", script]);
  if (code !== 0) throw new Error(`${script}: ${stderr}`);
  return stdout;
}

/** What ngrokd may change: the hosts file and resolv.conf to the byte, with their modes and owners; interfaces, routes, sockets. */
export async function machineState(): Promise<Record<string, string>> {
  return {
    hosts: await shell("cat /etc/hosts; stat --format='%a %U:%G' /etc/hosts; ls /etc/hosts*"),
    resolver: await shell(`
      cat /etc/resolv.conf
      stat --format='%a %U:%G' /etc/resolv.conf
      find /etc /etc/ngrokd -maxdepth 1 -name 'resolv.conf?*'
    `),
    addresses: await shell("/sbin/ip -brief address show"),
    routes: await shell("/sbin/ip -4 route show table all"),
    sockets: await shell("find /run -name 'ngrokd*' -type s"),
  };
}
