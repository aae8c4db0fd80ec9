/** What a peer is told. Keys and certificates are PEM. */
export type PeerOrder =
  | {
    readonly role: "far";
    readonly cert: string;
    readonly key: string;
    readonly ca: string;
    readonly bytes: number;
  }
  | { readonly role: "proxy" };

/** A peer and where it listens on 127.0.0.1. */
export interface Peer extends AsyncDisposable {
  readonly port: number;
}

/** Starts a far end or a proxy in a process of its own. */
export async function startPeer(order: PeerOrder): Promise<Peer> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-P=bench", "--no-prompt", "--quiet", new URL("./peers.ts", import.meta.url).pathname],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(order)));
  await writer.close();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  if (value === undefined) throw new Error(`Cannot start the ${order.role}: it ended, see above`);
  return {
    port: Number(new TextDecoder().decode(value)),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    },
  };
}
