import { chooseAddressDriver } from "../../src/network/select.ts";
import { listenTcp } from "../../src/system/tcp.ts";
import { testAddressDriver } from "./address_driver.ts";

testAddressDriver("Loopback", {
  make: () => chooseAddressDriver({ os: "windows", listen: listenTcp, run: noIp, interfaceName: "ngrokd0" }),
  subnets: ["127.0.0.0/8", "127.42.0.0/16", "127.42.7.0/24", "10.107.0.0/16", "192.168.9.0/24"],
});

testAddressDriver("A subnet of 127.0.0.0/8 on Linux", {
  make: () => chooseAddressDriver({ os: "linux", listen: listenTcp, run: noIp, interfaceName: "ngrokd0" }),
  subnets: ["127.0.0.0/8", "127.42.0.0/16"],
});

function noIp(): never {
  throw new Error("No program is needed for loopback addresses");
}
