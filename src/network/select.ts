import type { AddressDriver } from "./driver.ts";
import { ExistingSubnet } from "./existing_subnet.ts";
import { LinuxIp, type LinuxIpOptions } from "./linux_ip.ts";
import { Loopback, type LoopbackOptions } from "./loopback.ts";
import { WithFallback } from "./with_fallback.ts";

/** Chooses the driver for this machine; its `supported()` tells if it works. */
export function chooseAddressDriver(options: DriverOptions): AddressDriver {
  const loopback = new Loopback(options);
  if (options.os !== "linux") return loopback;
  return new WithFallback({
    preferred: new LinuxIp(options),
    existing: new ExistingSubnet(options),
    fallback: loopback,
  });
}

/** Options of {@linkcode chooseAddressDriver}. */
export interface DriverOptions extends LoopbackOptions, LinuxIpOptions {
  /** The name of the operating system in Deno. */
  readonly os: string;
}
