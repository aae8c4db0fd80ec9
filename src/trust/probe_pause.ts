import { type IngressTarget, isSameTarget } from "../model/ingress_target.ts";

/** The shortest time between two probes of one ingress. Another ingress is probed at once. */
const PAUSE_MS = 60_000;
/** The same after a probe without a reason: a problem of the network may be over. */
const RETRY_MS = 5_000;

/** Decides when the ingress may be probed again. */
export class ProbePause {
  #last: (ProbeSubject & { readonly at: number; readonly hasReasons: boolean }) | undefined;

  /** Starts the pause after a probe. `hasReasons`: it found out why the ingress is not trusted. */
  begin(subject: ProbeSubject, { hasReasons }: { hasReasons: boolean }): void {
    this.#last = { ...subject, at: performance.now(), hasReasons };
  }

  /** Ends the pause, because the network may have changed. */
  lift(): void {
    this.#last = undefined;
  }

  /** Returns true if the pause is over. `isAwaited`: a connection waits for the result. */
  isOver({ target, revision }: ProbeSubject, { isAwaited }: { isAwaited: boolean }): boolean {
    const last = this.#last;
    if (last === undefined || last.revision !== revision || !isSameTarget(last.target, target)) return true;
    return performance.now() - last.at >= (isAwaited && !last.hasReasons ? RETRY_MS : PAUSE_MS);
  }
}

/** The ingress that is probed, and the revision of the CAs that are trusted then. */
export interface ProbeSubject {
  readonly target: IngressTarget;
  readonly revision: number;
}
