import type { Cidr } from "../lib/ipv4.ts";

/** The interface that ngrokd created. This machine has all addresses of the subnet on it. */
export interface OwnInterface {
  readonly name: string;
  readonly subnet: Cidr;
}
