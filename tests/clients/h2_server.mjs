// An HTTP/2 server that answers with its own name; its page asks another server for its name.
// Usage: node h2_server.mjs PORT NAME CERT KEY
import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";
import process from "node:process";

const [port, name, cert, key] = process.argv.slice(2);
const page = `<!doctype html><body><script>
  const request = new XMLHttpRequest();
  request.open("GET", "https://" + location.hash.slice(1) + "/name", false);
  // Browsers keep the connections of requests with and without credentials apart.
  request.withCredentials = true;
  request.send();
  document.body.textContent = request.responseText;
</script>`;

createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
  const isPage = request.url === "/";
  response.setHeader("content-type", isPage ? "text/html" : "text/plain");
  response.setHeader("access-control-allow-origin", request.headers.origin ?? "null");
  response.setHeader("access-control-allow-credentials", "true");
  response.end(isPage ? page : `This is ${name}.`);
}).listen(Number(port), "127.0.0.1");
