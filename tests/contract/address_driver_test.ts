import { chooseAddressDriver } from "../../src/network/select.ts";
import { listenTcp } from "../../src/system/net.ts";
import { testAddressDriver } from "./address_driver.ts";

testAddressDriver("Loopback", {
  make: () => chooseAddressDriver({ listen: listenTcp }),
  subnets: ["127.0.0.0/8", "127.42.0.0/16", "127.42.7.0/24", "10.107.0.0/16", "192.168.9.0/24"],
});
