import { connectTls } from "./connect_tls.ts";
import { hostname, operatingSystem, readEnvironment, takeEnvironment } from "./environment.ts";
import * as files from "./files.ts";
import { dropHttpConnections, sendHttp } from "./http.ts";
import { keepInspectorClosed } from "./inspector.ts";
import { interfaceAddresses, localAddresses } from "./interfaces.ts";
import { memoryLimit } from "./memory.ts";
import { isServed, listenLocal } from "./local_socket.ts";
import { holdLock } from "./lock.ts";
import { flagFor, holds } from "./permissions.ts";
import { random } from "./random.ts";
import { run } from "./run.ts";
import { onSignals } from "./signals.ts";
import { type LogOutput, openLogOutput } from "./log_output.ts";
import { connectReserved } from "./connect_reserved.ts";
import { connectTcp, listenTcp } from "./tcp.ts";
import { writeErr, writeOut } from "./terminal.ts";
import { forgetAddresses } from "./working_address.ts";
import { checkTlsPair } from "./tls_pair.ts";
import { probeChain } from "./tls_chain.ts";
import { listenUdp } from "./udp.ts";

/** The functions of this machine that the daemon uses. */
export interface System {
  readonly readEnvironment: typeof readEnvironment;
  readonly takeEnvironment: typeof takeEnvironment;
  readonly hostname: typeof hostname;
  readonly operatingSystem: typeof operatingSystem;
  readonly files: typeof files;
  readonly sendHttp: typeof sendHttp;
  readonly dropHttpConnections: typeof dropHttpConnections;
  readonly forgetAddresses: typeof forgetAddresses;
  readonly listenLocal: typeof listenLocal;
  readonly isServed: typeof isServed;
  readonly holdLock: typeof holdLock;
  readonly listenTcp: typeof listenTcp;
  readonly listenUdp: typeof listenUdp;
  readonly connectTcp: typeof connectTcp;
  readonly connectReserved: typeof connectReserved;
  readonly connectTls: typeof connectTls;
  readonly probeChain: typeof probeChain;
  /**
   * The CAs that may be learnt from the ingress of a simulated cloud. No configuration sets this.
   *
   * @default The list of ngrok's CAs in this version
   */
  readonly listedCas?: readonly { readonly sha256: string; readonly subject: string }[];
  readonly localAddresses: typeof localAddresses;
  readonly interfaceAddresses: typeof interfaceAddresses;
  /**
   * The clocks and the interval of the wake detection, for tests.
   *
   * @default Two seconds and the clocks of this machine
   */
  readonly wakeOptions?: {
    readonly everyMs?: number;
    readonly wallMs?: () => number;
    readonly steadyMs?: () => number;
  };
  /** The delays of the probes of the ingress, for tests. @default Two and five seconds */
  readonly probeOptions?: { readonly checkMs?: number; readonly retryMs?: number };
  readonly memoryLimit: typeof memoryLimit;
  readonly checkTlsPair: typeof checkTlsPair;
  readonly holds: typeof holds;
  readonly flagFor: typeof flagFor;
  readonly random: typeof random;
  readonly run: typeof run;
  readonly onSignals: typeof onSignals;
  readonly keepInspectorClosed: typeof keepInspectorClosed;
  /** The output of the log; unlike `writeOut` it never blocks. */
  readonly logOutput: Pick<LogOutput, "write" | "flush">;
  readonly writeOut: typeof writeOut;
  readonly writeErr: typeof writeErr;
}

/** Returns the real operations of this machine. */
export function realSystem(): System {
  return {
    readEnvironment,
    takeEnvironment,
    hostname,
    operatingSystem,
    files,
    sendHttp,
    dropHttpConnections,
    forgetAddresses,
    listenLocal,
    isServed,
    holdLock,
    listenTcp,
    listenUdp,
    connectTcp,
    connectReserved,
    connectTls,
    probeChain,
    localAddresses,
    interfaceAddresses,
    memoryLimit,
    checkTlsPair,
    holds,
    flagFor,
    random,
    run,
    onSignals,
    keepInspectorClosed,
    logOutput: openLogOutput(),
    writeOut,
    writeErr,
  };
}
