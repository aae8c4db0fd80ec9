// A program for tests that need a process of its own (umask, mount namespaces). It publishes
// n0.example … n<count-1>.example in the hosts file given as argument, and prints the outcome.
import { HostsFile } from "../../../src/names/hosts/hosts_file.ts";
import * as files from "../../../src/system/files.ts";
import { someNames } from "./hosts_texts.ts";

const [path, count] = Deno.args;
const publisher = new HostsFile(path!, { files });
const { changed, problem, warnings } = await publisher.publish(someNames(Number(count)));
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ changed, problem, warnings })));
