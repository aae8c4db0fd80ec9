import type { AddressDriver } from "./driver.ts";
import { Loopback, type LoopbackOptions } from "./loopback.ts";

/** The driver for this machine. Whether it can work there is for its `supported()` to say. */
export function chooseAddressDriver(options: LoopbackOptions): AddressDriver {
  return new Loopback(options);
}
