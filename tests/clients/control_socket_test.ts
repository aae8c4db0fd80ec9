import assert from "node:assert/strict";
import { ClientStage } from "./client_stage.ts";
import { clientTests } from "./client_tests.ts";

const SOCKET = "/run/ngrokd/ngrokd.sock";
const REQUEST = '{"command":"status"}';

/** Sends a request without a newline, keeps its direction open, and reads up to the end. */
const PYTHON = `
import json, socket, sys, time
s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect("${SOCKET}")
start = time.monotonic()
for piece in sys.argv[1:]:
    s.sendall(piece.encode()); time.sleep(0.05)
answer = b""
while part := s.recv(65536): answer += part
assert time.monotonic() - start < 2, "slow"
print(json.loads(answer)["success"])
`;

const test = clientTests(import.meta.url, {
  name: "scripts on the control socket",
  programs: { nc: "netcat-openbsd", python3: "python3" },
});

test("virtual", "requests without a newline or an end are answered at once", async () => {
  await using daemon = await ClientStage.open({
    mode: "virtual",
    endpoints: { "http://a.example.com": "http" },
  });
  const cases: [string[], string][] = [
    [[REQUEST], "True\n"],
    [[`${REQUEST}\n`], "True\n"],
    [[REQUEST.slice(0, 9), REQUEST.slice(9)], "True\n"],
    [['{"command":"nonsense"}'], "False\n"],
    [['{"command":}'], "False\n"],
    [["status"], "False\n"],
  ];
  for (const [pieces, expected] of cases) {
    assert.equal(await daemon.succeeds(["python3", "-c", PYTHON, ...pieces]), expected, pieces.join());
  }
  // The input of nc stays open, and it does not half-close.
  const script = `{ printf '%s' '${REQUEST}'; sleep 3; } | timeout 2 nc -U ${SOCKET}`;
  assert.match(await daemon.succeeds(["sh", "-c", `${script} || true`]), /^\{"success":true.*\}\n$/);
});
