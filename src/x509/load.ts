/** Loads the X.509 library on first use: it is heavy, and most runs of the client never need it (DESIGN.md decision 1). */
export async function loadX509(): Promise<typeof import("@peculiar/x509")> {
  await import("reflect-metadata");
  return await import("@peculiar/x509");
}
