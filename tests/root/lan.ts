import { shell } from "./commands.ts";

let count = 0;

/**
 * A subnet and the names of a pair of connected interfaces, which no other part of the test has.
 * Network namespaces keep the processes of tests apart, so a counter is enough here.
 */
export class Lan {
  readonly #number = ++count;
  /** The interface of this machine. */
  readonly link: string = `lan${this.#number}`;
  /** The other end of it. */
  readonly peer: string = `peer${this.#number}`;

  /** The address with this last byte. */
  address(host: number): string {
    return `192.168.${100 + this.#number}.${host}`;
  }

  /** The same with the length of the prefix, as `/sbin/ip address add` takes it. */
  cidr(host: number): string {
    return `${this.address(host)}/24`;
  }

  /** Creates both interfaces and sets them up, with these addresses on this machine's interface. */
  async create(...addresses: readonly string[]): Promise<void> {
    await shell([
      `/sbin/ip link add ${this.link} type veth peer name ${this.peer}`,
      ...addresses.map((address) => `/sbin/ip address add ${address} dev ${this.link}`),
      `/sbin/ip link set ${this.peer} up`,
      `/sbin/ip link set ${this.link} up`,
    ].join("\n"));
  }

  /** Deletes both interfaces. */
  async delete(): Promise<void> {
    await shell(`/sbin/ip link delete ${this.link}`);
  }
}
