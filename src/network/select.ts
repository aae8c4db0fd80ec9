import type { AddressDriver } from "./driver.ts";
import { LinuxIp, type LinuxIpOptions } from "./linux_ip.ts";
import { Loopback, type LoopbackOptions } from "./loopback.ts";
import { WithFallback } from "./with_fallback.ts";

/** What the choice depends on. */
export interface DriverOptions extends LoopbackOptions, LinuxIpOptions {
  /** As Deno names it. */
  readonly os: string;
}

/** The driver for this machine. Whether it can work there is for its `supported()` to say. */
export function chooseAddressDriver(options: DriverOptions): AddressDriver {
  const loopback = new Loopback(options);
  if (options.os !== "linux") return loopback;
  return new WithFallback({ preferred: new LinuxIp(options), fallback: loopback });
}
