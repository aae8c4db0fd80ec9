import { parseArgs } from "node:util";
import { SimulatedCloud } from "./cloud.ts";
import { randomSwitches } from "./switches.ts";
import type { EndpointOptions } from "./state/endpoints.ts";

/** What `deno task cloud` puts up when no file is given. */
const DEFAULT_ENDPOINTS: EndpointOptions[] = [
  { url: "http://api.myapp", backend: "http" },
  { url: "tcp://db.myapp:5432", backend: "tcp" },
  { url: "tls://secure.myapp", backend: "tls" },
  { url: "tls://*.example.com", backend: "tls" },
  { url: "http://pool.myapp:8080", backend: "http", pooling: true },
  { url: "http://pool.myapp:8080", backend: "http", pooling: true },
  { url: "tcp://down.myapp:9000", backend: "down" },
];

const OPTIONS = {
  "api-port": { type: "string", default: "0" },
  "ingress-port": { type: "string", default: "0" },
  "admin-port": { type: "string", default: "0" },
  endpoints: { type: "string" },
  "allow-https": { type: "boolean", default: false },
  "random-switches": { type: "string" },
  help: { type: "boolean", default: false },
} as const;

const USAGE = `deno task cloud [--api-port N] [--ingress-port N] [--admin-port N] [--endpoints FILE.json]
  [--allow-https] [--random-switches SEED]

FILE.json is a list of {"url", "backend", "pooling"?, "metadata"?, …}; a backend is "echo", "http", "tcp", "tls", "down",
"reset", "stall", "sink", "source" or {"forward": "host:port"}.
`;

if (import.meta.main) Deno.exitCode = await main(Deno.args);

/** Runs the simulated cloud until it is interrupted. */
async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help) return print(USAGE);
  const endpoints = values.endpoints === undefined
    ? DEFAULT_ENDPOINTS
    : JSON.parse(await Deno.readTextFile(values.endpoints)) as EndpointOptions[];
  const seed = values["random-switches"];
  await using cloud = await SimulatedCloud.start({
    ports: {
      api: Number(values["api-port"]),
      ingress: Number(values["ingress-port"]),
      admin: Number(values["admin-port"]),
    },
    switches: {
      ...(seed === undefined ? {} : randomSwitches(Number(seed))),
      ...(values["allow-https"] ? { httpsKubernetes: true } : {}),
    },
  });
  for (const endpoint of endpoints) cloud.addEndpoint(endpoint);
  const caPath = await Deno.makeTempFile({ prefix: "simulated-cloud-ca-", suffix: ".pem" });
  try {
    await Deno.writeTextFile(caPath, cloud.caPem);
    print(
      `API        ${cloud.apiUrl}
API key    ${cloud.apiKey}
Ingress    ${cloud.ingressHost}:${cloud.ingressPort}
Ingress CA ${caPath}
Admin      ${cloud.adminUrl}

${endpoints.map(({ url, backend }) => `  ${url}  ${JSON.stringify(backend)}`).join("\n")}

Ctrl-C ends it.
`,
    );
    await interrupted();
  } finally {
    await Deno.remove(caPath);
  }
  return 0;
}

function print(text: string): number {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
  return 0;
}

async function interrupted(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  Deno.addSignalListener("SIGINT", resolve);
  Deno.addSignalListener("SIGTERM", resolve);
  await promise;
  Deno.removeSignalListener("SIGINT", resolve);
  Deno.removeSignalListener("SIGTERM", resolve);
}
