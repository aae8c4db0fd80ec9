import { type IngressTarget, isSameTarget } from "../model/ingress_target.ts";

/** Whatever the ingress presents, it is looked at no more often; another one, which only the configuration or the API can name, is at once. */
const PAUSE_MS = 60_000;
/** After a look that says nothing of why a dial is refused: what was wrong with the network may be over. */
const RETRY_MS = 5_000;

/** What a look is at, and what is trusted then. */
export interface ProbeSubject {
  readonly target: IngressTarget;
  readonly pems: readonly string[];
}

/** When the ingress may be looked at again. */
export class ProbePause {
  #last: (ProbeSubject & { readonly at: number; readonly hasReasons: boolean }) | undefined;

  /** From the end of a look on; `hasReasons`: it says why the ingress is not trusted. */
  begin(subject: ProbeSubject, { hasReasons }: { hasReasons: boolean }): void {
    this.#last = { ...subject, at: performance.now(), hasReasons };
  }

  /** The network may be another one. */
  lift(): void {
    this.#last = undefined;
  }

  /** `isAwaited`: somebody waits for what a look shows. */
  isOver({ target, pems }: ProbeSubject, { isAwaited }: { isAwaited: boolean }): boolean {
    const last = this.#last;
    if (last === undefined || last.pems !== pems || !isSameTarget(last.target, target)) return true;
    return performance.now() - last.at >= (isAwaited && !last.hasReasons ? RETRY_MS : PAUSE_MS);
  }
}
