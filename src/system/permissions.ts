/** A capability that a value of the configuration needs, in Deno's terms. */
export type Capability =
  | { readonly kind: "read" | "write" | "run"; readonly path: string }
  | { readonly kind: "net"; readonly host: string };

/** Returns true if the permission set of this process includes the capability. */
export function holds(capability: Capability): boolean {
  return Deno.permissions.querySync(descriptorOf(capability)).state === "granted";
}

function descriptorOf(capability: Capability): Deno.PermissionDescriptor {
  const { kind } = capability;
  if (kind === "net") return { name: kind, host: capability.host };
  return kind === "run" ? { name: kind, command: capability.path } : { name: kind, path: capability.path };
}

/** Returns the command line flag that grants the capability. */
export function flagFor(capability: Capability): string {
  return `--allow-${capability.kind}=${capability.kind === "net" ? capability.host : capability.path}`;
}
