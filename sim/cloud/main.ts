import { parseArgs } from "node:util";
import { SimulatedCloud } from "./cloud.ts";
import type { EndpointOptions } from "./state/endpoints.ts";
import { randomSwitches } from "./switches.ts";

const USAGE = `Usage: deno task cloud [options]

Runs the simulated cloud alone: API, ingress and admin API on 127.0.0.1.

  --api-port N            the port of the API (default: a free one)
  --ingress-port N        the port of the ingress
  --admin-port N          the port of the admin API; GET / lists its calls
  --endpoints FILE        the endpoints, as JSON: [{"url": …, "backend": …}]
  --allow-https           allow https endpoints
  --random-switches SEED  random values where docs/protocol.md guesses

Backends: "echo", "http", "tcp", "tls", "down", "reset", "stall", "sink",
"source", {"forward": "host:port"}

Example: deno task cloud --api-port 8080
`;

const OPTIONS = {
  "api-port": { type: "string", default: "0" },
  "ingress-port": { type: "string", default: "0" },
  "admin-port": { type: "string", default: "0" },
  endpoints: { type: "string" },
  "allow-https": { type: "boolean", default: false },
  "random-switches": { type: "string" },
  help: { type: "boolean", default: false },
} as const;

/** The endpoints of `deno task cloud` without --endpoints. */
const DEFAULT_ENDPOINTS: EndpointOptions[] = [
  { url: "http://api.myapp", backend: "http" },
  { url: "tcp://db.myapp:5432", backend: "tcp" },
  { url: "tls://secure.myapp", backend: "tls" },
  { url: "tls://*.example.com", backend: "tls" },
  { url: "http://pool.myapp:8080", backend: "http", pooling: true },
  { url: "http://pool.myapp:8080", backend: "http", pooling: true },
  { url: "tcp://down.myapp:9000", backend: "down" },
];

/** Runs the simulated cloud until it is interrupted. */
async function main(args: string[]): Promise<number> {
  const values = parse(args);
  if (values === undefined) return print(USAGE, 2);
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
    // Before the text that says how to stop it.
    const stopped = interrupted();
    print(
      `API        ${cloud.apiUrl}
API key    ${cloud.apiKey}
Ingress    ${cloud.ingressHost}:${cloud.ingressPort}
Ingress CA ${caPath}
Admin      ${cloud.adminUrl}

${endpoints.map(({ url, backend }) => `  ${url}  ${JSON.stringify(backend)}`).join("\n")}

Press Ctrl-C to stop.
`,
    );
    await stopped;
  } finally {
    await Deno.remove(caPath);
  }
  return 0;
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch {
    return undefined;
  }
}

function print(text: string, exitCode = 0): number {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
  return exitCode;
}

async function interrupted(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  Deno.addSignalListener("SIGINT", resolve);
  Deno.addSignalListener("SIGTERM", resolve);
  await promise;
  Deno.removeSignalListener("SIGINT", resolve);
  Deno.removeSignalListener("SIGTERM", resolve);
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);
