import { listenerKey } from "../../src/model/route_table.ts";
import { NoResolver } from "../../src/names/resolver/no_resolver.ts";
import { ResolvConf } from "../../src/names/resolver/resolv_conf.ts";
import { Resolved } from "../../src/names/resolver/resolved.ts";
import type { ResolverRequest } from "../../src/names/resolver/resolver.ts";
import { ResolverChain } from "../../src/names/resolver/resolver_chain.ts";
import { ResolverDir } from "../../src/names/resolver/resolver_dir.ts";
import { chooseResolver } from "../../src/names/select.ts";
import * as files from "../../src/system/files.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { fileOnDisk } from "../names/file_on_disk.ts";
import { FakeResolvectl } from "../names/resolver/fake_resolvectl.ts";
import { type ResolverTarget, testResolver } from "./resolver.ts";

const OTHERS = "nameserver 192.168.1.1\nsearch lan\n";
const LINK = { name: "ngrokd0", subnet: { base: 0x0a6b0000, prefix: 16 } };

async function openResolvConf(): Promise<ResolverTarget> {
  const file = await fileOnDisk("resolv.conf", OTHERS);
  return {
    make: () => new ResolvConf(file.path, { files, backup: `${file.directory}/resolv.conf.bak` }),
    settings: async () => {
      const [, address] = /^# ngrokd managed.*\nnameserver (\S+)/.exec(await file.read()) ?? [];
      return new Map(address === undefined ? [] : [[".", `${address}:53`]]);
    },
    expected: ({ domains, server }) =>
      new Map(domains.length === 0 ? [] : [[".", listenerKey(server.address, server.port)]]),
    overwrite: () => file.write(OTHERS),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}

async function openResolverDir(): Promise<ResolverTarget> {
  const directory = await temporaryDirectory();
  const path = `${directory.path}/resolver`;
  return {
    make: () => new ResolverDir(path, { files }),
    settings: async () => {
      const settings = new Map<string, string>();
      for (const domain of await files.listDirectory(path)) {
        const text = await Deno.readTextFile(`${path}/${domain}`);
        const [, address, port] = /^# ngrokd managed\nnameserver (.+)\nport (.+)\n$/.exec(text)!;
        settings.set(domain, `${address}:${port}`);
      }
      return settings;
    },
    expected: (request) => routes(request, listenerKey(request.server.address, request.server.port)),
    overwrite: () => Deno.remove(path, { recursive: true }),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** Alone, or as the first choice of a chain on Linux. */
async function openResolved(options: { inChain?: boolean } = {}): Promise<ResolverTarget> {
  const file = await fileOnDisk("resolv.conf", "nameserver 127.0.0.53\noptions edns0 trust-ad\n");
  const fake = new FakeResolvectl(LINK.name);
  const shared = { run: fake.run, files, resolvConf: file.path, link: () => LINK };
  const chained = {
    ...shared,
    os: "linux",
    mayWrite: () => true,
    managed: () => true,
    backup: `${file.directory}/resolv.conf.bak`,
  };
  return {
    make: () => options.inChain ? chooseResolver(chained) : new Resolved(shared),
    settings: () =>
      Promise.resolve(new Map(fake.domains.map((domain) => [domain.slice(1), fake.servers.join(" ")]))),
    expected: (request) => routes(request, request.server.address),
    overwrite: () => Promise.resolve(fake.restart()),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}

async function openSecondChoice(): Promise<ResolverTarget> {
  const target = await openResolverDir();
  return { ...target, make: () => new ResolverChain([new NoResolver("This is a test"), target.make()]) };
}

function routes(request: ResolverRequest, server: string): Map<string, string> {
  const domains = request.domains.map((domain) => domain.replace(/^\*\./, "")).sort();
  // No other name of the suite is below another one.
  return new Map(domains.filter((domain) => domain !== "x.c.example").map((domain) => [domain, server]));
}

testResolver("ResolvConf", openResolvConf);
testResolver("ResolverDir", openResolverDir);
testResolver("Resolved", openResolved);
testResolver("A chain on Linux", () => openResolved({ inChain: true }));
testResolver("A chain whose first choice never works", openSecondChoice);
testResolver("NoResolver", () =>
  Promise.resolve({
    make: () => new NoResolver("This is a test"),
    settings: () => Promise.resolve(new Map()),
    expected: () => new Map(),
    overwrite: () => Promise.resolve(),
    changesNothing: "it stands for a system without a resolver that ngrokd can change",
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));
