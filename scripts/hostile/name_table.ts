import { parseEndpointUrl } from "../../src/model/endpoint.ts";
import { readHostsLines } from "../../src/names/hosts/hosts_block.ts";
import { HostsNames, indexNames } from "../../src/names/policy/hosts_names.ts";
import { machineNames } from "../../src/names/policy/machine_names.ts";
import { NamePolicy } from "../../src/names/policy/name_policy.ts";
import { loadPublicSuffixes } from "../../src/names/policy/public_suffix.ts";
import { HOSTILE_NAMES } from "./name_rows.ts";

/** The machine of the table: its files, its configuration, and the names that exist publicly. */
export const MACHINE = {
  hostname: "laptop",
  hosts: "127.0.0.1 localhost\n192.0.2.9 nas.home printer.lab.home\n",
  resolvConf: "search corp.example lab.example\n",
  proxyHost: "proxy.corp",
  denied: ["*.denied.home"],
  publicNames: ["bank.com", "www.bank.com"],
  silentNames: ["unanswered.com"],
} as const;

/** A hostile name, and what becomes of it. */
export interface JudgedName {
  readonly name: string;
  readonly aim: string;
  readonly verdict: "refused" | "served" | "served, with a note";
  /** The reason as `ngrokctl list` shows it. */
  readonly reason: string;
}

/** Returns every hostile name with its verdict on the machine of the table. */
export async function judgeHostileNames(): Promise<JudgedName[]> {
  const policy = new NamePolicy({
    machine: machineNames({ hostname: MACHINE.hostname, hostsLines: [], resolvConf: MACHINE.resolvConf }),
    reserved: [MACHINE.proxyHost],
    hostsNames: new HostsNames(indexNames(readHostsLines(MACHINE.hosts))),
    hostsPath: "/etc/hosts",
    allowed: [],
    denied: MACHINE.denied,
    shadowPublic: undefined,
    suffixes: await loadPublicSuffixes(),
    publicState(name) {
      const bare = name.replace(/^\*\./, "");
      const isIn = (names: readonly string[]) => names.includes(bare);
      return isIn(MACHINE.publicNames) ? "exists" : isIn(MACHINE.silentNames) ? "unknown" : "missing";
    },
  });
  return Object.entries(HOSTILE_NAMES).flatMap(([aim, names]) =>
    names.map((name): JudgedName => {
      const { refused, note } = judge(name, policy);
      if (refused !== undefined) return { name, aim, verdict: "refused", reason: refused };
      if (note !== undefined) return { name, aim, verdict: "served, with a note", reason: note };
      return { name, aim, verdict: "served", reason: "" };
    })
  );
}

/** Returns the URL of the endpoint with a hostile name. */
export function urlOf(name: string): string {
  return `http://${name}:8384`;
}

/** The names, verdicts and reasons as a Markdown table. */
export async function hostileNamesTable(): Promise<string> {
  const rows = (await judgeHostileNames()).map(({ name, aim, verdict, reason }) => {
    const cells = [`\`${JSON.stringify(name).slice(1, -1)}\``, aim, verdict, reason === "" ? "–" : reason];
    return `| ${cells.map(escapeCell).join(" | ")} |\n`;
  });
  return "| name | takes | verdict | reason |\n| --- | --- | --- | --- |\n" + rows.join("");
}

function escapeCell(text: string): string {
  const hex = (character: string) => character.charCodeAt(0).toString(16).padStart(4, "0");
  return text.replaceAll("|", "\\|").replace(/[\u0080-\u2012\u2014-\uffff]/g, (other) => `\\u${hex(other)}`);
}

function judge(name: string, policy: NamePolicy) {
  try {
    return policy.judge(parseEndpointUrl(urlOf(name)).hostname);
  } catch (error) {
    if (error instanceof SyntaxError) return { refused: error.message, note: undefined };
    throw error;
  }
}
