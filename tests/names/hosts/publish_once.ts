// A program for tests that need a process of its own (umask, mount namespaces). It publishes
// n0.example … n<count-1>.example in the hosts file given as argument, and prints the outcome.
import { HostsFile } from "../../../src/names/hosts/hosts_file.ts";
import * as files from "../../../src/system/files.ts";
import { captureLog } from "../../fakes/captured_log.ts";
import { someNames } from "./hosts_texts.ts";

const [path, count] = Deno.args;
const publisher = new HostsFile(path!, { files });
await using logged = await captureLog();
const { changed, problem } = await publisher.publish(someNames(Number(count)));
const outcome = { changed, problem, warnings: logged.lines("warning") };
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(outcome)));
