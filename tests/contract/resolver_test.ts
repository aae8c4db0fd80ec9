import { NoResolver } from "../../src/names/resolver/no_resolver.ts";
import { ResolvConf } from "../../src/names/resolver/resolv_conf.ts";
import { Resolved } from "../../src/names/resolver/resolved.ts";
import { ResolverChain } from "../../src/names/resolver/resolver_chain.ts";
import { ResolverDir } from "../../src/names/resolver/resolver_dir.ts";
import { type ResolverRequest, serverText } from "../../src/names/resolver/resolver.ts";
import { chooseResolver } from "../../src/names/select.ts";
import * as files from "../../src/system/files.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { FakeResolvectl } from "../names/resolver/fake_resolvectl.ts";
import { type ResolverPlace, testResolver } from "./resolver.ts";

const OTHERS = "nameserver 192.168.1.1\nsearch lan\n";
const LINK = { name: "ngrokd0", subnet: { base: 0x0a6b0000, prefix: 16 } };

async function openResolvConf(): Promise<ResolverPlace> {
  const directory = await temporaryDirectory();
  const path = `${directory.path}/resolv.conf`;
  await Deno.writeTextFile(path, OTHERS);
  return {
    make: () => new ResolvConf(path, { files, backup: `${directory.path}/resolv.conf.bak` }),
    seen: (wish) => new Map(wish.domains.length === 0 ? [] : [[".", serverText(wish.server)]]),
    trample: () => Deno.writeTextFile(path, OTHERS),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

async function openResolverDir(): Promise<ResolverPlace> {
  const directory = await temporaryDirectory();
  const path = `${directory.path}/resolver`;
  return {
    make: () => new ResolverDir(path, { files }),
    seen: (wish) => routed(wish, serverText(wish.server)),
    trample: () => Deno.remove(path, { recursive: true }),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

async function openResolved(): Promise<ResolverPlace> {
  const directory = await temporaryDirectory();
  const resolvConf = `${directory.path}/resolv.conf`;
  await Deno.writeTextFile(resolvConf, "nameserver 127.0.0.53\noptions edns0 trust-ad\n");
  const fake = new FakeResolvectl(LINK.name);
  return {
    make: () => new Resolved({ run: fake.run, files, resolvConf, link: () => LINK }),
    seen: (wish) => routed(wish, wish.server.address),
    trample: () => Promise.resolve(fake.restart()),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

async function openLinux(): Promise<ResolverPlace> {
  const directory = await temporaryDirectory();
  const resolvConf = `${directory.path}/resolv.conf`;
  await Deno.writeTextFile(resolvConf, "nameserver 127.0.0.53\n");
  const fake = new FakeResolvectl(LINK.name);
  return {
    make: () =>
      chooseResolver({
        os: "linux",
        run: fake.run,
        files,
        link: () => LINK,
        managed: () => true,
        backup: `${directory.path}/resolv.conf.bak`,
        resolvConf,
      }),
    seen: (wish) => routed(wish, wish.server.address),
    trample: () => Promise.resolve(fake.restart()),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** A chain whose first choice never works. */
async function openSecondBest(): Promise<ResolverPlace> {
  const place = await openResolverDir();
  return { ...place, make: () => new ResolverChain([new NoResolver("This is a test"), place.make()]) };
}

function routed(wish: ResolverRequest, server: string): Map<string, string> {
  const bare = wish.domains.map((domain) => domain.replace(/^\*\./, "")).sort();
  // The contract's only name below another of its own names.
  return new Map(bare.filter((domain) => domain !== "x.c.example").map((domain) => [domain, server]));
}

testResolver("ResolvConf", openResolvConf);
testResolver("ResolverDir", openResolverDir);
testResolver("Resolved", openResolved);
testResolver("A chain on Linux", openLinux);
testResolver("A chain whose first choice never works", openSecondBest);
testResolver("NoResolver", () =>
  Promise.resolve({
    make: () => new NoResolver("Nothing makes this machine ask our DNS server: this is a test"),
    seen: () => undefined,
    trample: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));
