import assert from "node:assert/strict";
import { exposureWarnings } from "../../src/config/exposure.ts";
import { parseConfig } from "../../src/config/schema.ts";
import { isSharedListenMode } from "../../src/model/listen_mode.ts";

const MODES: readonly (readonly [mode: string, isShared: boolean])[] = [
  ["virtual", false],
  ["lo", false],
  ["lo0", false],
  ["127.0.0.1", false],
  ["127.1.2.3", false],
  ["lot", true],
  ["eth0", true],
  ["0.0.0.0", true],
  ["192.0.2.2", true],
];

for (const [mode, isShared] of MODES) {
  Deno.test(`a listener of the mode ${mode} is ${isShared ? "shared, with a warning" : "not shared"}`, () => {
    assert.equal(isSharedListenMode(mode), isShared);
    const { config: { net } } = parseConfig({ net: { listen_interface: mode } });
    assert.equal(exposureWarnings(net).length, isShared ? 1 : 0);
  });
}
