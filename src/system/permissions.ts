/** A capability that a value of the configuration needs, in Deno's terms. */
export type Capability =
  | { readonly kind: "read" | "write"; readonly path: string }
  | { readonly kind: "net"; readonly host: string };

/** Returns true if the permission set of this process includes the capability. */
export function holds(capability: Capability): boolean {
  const status = capability.kind === "net"
    ? Deno.permissions.querySync({ name: "net", host: capability.host })
    : Deno.permissions.querySync({ name: capability.kind, path: capability.path });
  return status.state === "granted";
}

/** Returns the command line flag that grants the capability. */
export function flagFor(capability: Capability): string {
  return `--allow-${capability.kind}=${capability.kind === "net" ? capability.host : capability.path}`;
}
