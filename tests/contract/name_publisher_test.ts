import { HostsFile } from "../../src/names/hosts/hosts_file.ts";
import { NoNames } from "../../src/names/hosts/no_names.ts";
import * as files from "../../src/system/files.ts";
import { type PublisherPlace, testNamePublisher } from "./name_publisher.ts";

async function openHosts(text: string | undefined): Promise<PublisherPlace> {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/hosts`;
  if (text !== undefined) await Deno.writeTextFile(path, text);
  return {
    make: () => new HostsFile(path, { files }),
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

testNamePublisher("HostsFile on a file with lines", () => openHosts("127.0.0.1\tlocalhost\n"));
testNamePublisher("HostsFile on no file", () => openHosts(undefined));
testNamePublisher("NoNames", () =>
  Promise.resolve({
    make: () => new NoNames("Names are not published: this is a test"),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));
