/** Loads the X.509 library on first use: it is large, and most runs of `ngrokctl` never need it. */
export async function loadX509(): Promise<typeof import("@peculiar/x509")> {
  await import("reflect-metadata");
  return await import("@peculiar/x509");
}
