/** A capability that a value of the configuration needs, in Deno's terms. */
export type Capability =
  | { readonly kind: "read" | "write"; readonly path: string }
  | { readonly kind: "net"; readonly host: string };

/** Whether the permission set that this process was started with holds the capability. */
export function holds(capability: Capability): boolean {
  const status = capability.kind === "net"
    ? Deno.permissions.querySync({ name: "net", host: capability.host })
    : Deno.permissions.querySync({ name: capability.kind, path: capability.path });
  return status.state === "granted";
}

/** The command line flag that would grant it. */
export function flagFor(capability: Capability): string {
  return `--allow-${capability.kind}=${capability.kind === "net" ? capability.host : capability.path}`;
}
