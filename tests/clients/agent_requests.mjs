// Sends a request for each host over the keep-alive pool of an http.Agent, which is keyed by
// address, as a reverse proxy in Node does: `node agent_requests.mjs ADDRESS PORT HOST...`.
import { Agent, request } from "node:http";

const [hostname, port, ...hosts] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const ports = new Set();

function ask(host, method) {
  return new Promise((resolve, reject) => {
    const asked = request(
      { hostname, port, agent, method, headers: { host }, timeout: 10_000 },
      (response) => {
        ports.add(response.socket.localPort);
        let text = "";
        response.setEncoding("utf8").on("data", (part) => text += part);
        response.on("end", () => resolve(`${response.statusCode} ${text.trim()}`));
      },
    );
    asked.on("error", reject);
    asked.end(method === "POST" ? "x".repeat(100_000) : undefined);
  });
}

for (const [index, host] of hosts.entries()) {
  process.stdout.write(`${await ask(host, index % 2 === 0 ? "GET" : "POST")}\n`);
}
process.stdout.write(`${ports.size} connections\n`);
agent.destroy();
