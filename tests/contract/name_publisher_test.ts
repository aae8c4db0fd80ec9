import { HostsFile } from "../../src/names/hosts/hosts_file.ts";
import { NoNames } from "../../src/names/hosts/no_names.ts";
import * as files from "../../src/system/files.ts";
import { fileOnDisk } from "../names/file_on_disk.ts";
import { readBlock } from "../names/hosts/hosts_texts.ts";
import { type PublisherTarget, testNamePublisher } from "./name_publisher.ts";

async function openHosts(text: string | undefined): Promise<PublisherTarget> {
  const file = await fileOnDisk("hosts", text);
  return {
    make: () => new HostsFile(file.path, { files }),
    published: async () => readBlock((await file.list()).includes("hosts") ? await file.read() : ""),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}

testNamePublisher("HostsFile on a file with lines", () => openHosts("127.0.0.1\tlocalhost\n"));
testNamePublisher("HostsFile on no file", () => openHosts(undefined));
testNamePublisher("NoNames", () =>
  Promise.resolve({
    make: () => new NoNames("this is a test"),
    published: () => Promise.resolve(new Map()),
    publishesNothing: "it stands for a machine on which ngrokd may not write the hosts file",
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));
