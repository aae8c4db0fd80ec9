import { HostsFile } from "../../../src/names/hosts/hosts_file.ts";
import * as files from "../../../src/system/files.ts";

// A program for tests that need a process of its own (umask, mount namespaces): publishes n0.example … n<count>.example in the hosts file
// that is its argument, and prints the outcome.
const [path, count] = Deno.args;
const names = new Map(
  Array.from({ length: Number(count) }, (_, i) => [`n${i}.example`, `10.107.0.${i + 2}`]),
);
const publisher = new HostsFile(path!, { files });
const { changed, problem, warnings } = await publisher.publish(names);
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ changed, problem, warnings })));
