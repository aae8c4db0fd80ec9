/** A fault, and what ngrokd does about it. */
export interface FaultRow {
  readonly id: `F${number}`;
  readonly fault: string;
  readonly answer: string;
  /** What this machine lacks to show it; only then may the row be without a test, or its tests be skipped. */
  readonly missing?: string;
}

/** The rows that tests must show, one line each, in the order of their numbers. */
// deno-fmt-ignore
export const ROWS: readonly FaultRow[] = [
  { id: "F1", fault: "ngrokd is killed while it writes the hosts file", answer: "The file is the old one or the new one, never a part; the next start removes a stray temporary file" },
  { id: "F2", fault: "The disk is full when the hosts file, the state or the key is written", answer: "The old file stays, status says why, it is tried again, and no empty file appears" },
  { id: "F3", fault: "/etc is read-only", answer: "ngrokd runs, reports that names cannot be published, and does not restart over it" },
  { id: "F4", fault: "The hosts file is a bind mount", answer: "It is written where it stands, with one warning" },
  { id: "F5", fault: "The hosts file is a symbolic link", answer: "Its target is written; the link stays a link, and one to nothing is refused" },
  { id: "F6", fault: "The hosts file is a directory, a FIFO or a device, or is missing", answer: "Refused at once; a missing file is made with mode 0644" },
  { id: "F7", fault: "The hosts file cannot be changed (chattr +i)", answer: "Reported with what to do, and tried again at each poll" },
  { id: "F8", fault: "ngrokd starts under umask 077", answer: "Mode and owner of the hosts file stay, and everybody can read it" },
  { id: "F9", fault: "The managed section begins and does not end", answer: "The file is left alone, and the line is named" },
  { id: "F10", fault: "The section ends before it begins, stands there twice, or a marker shares its line with other text", answer: "As F9" },
  { id: "F11", fault: "A user edits the managed section", answer: "The section is written anew, what stands outside it stays, and the log says so" },
  { id: "F12", fault: "Another program rewrites the hosts file every second", answer: "The section is put back 10 times in 10 minutes, then once in 5 minutes, and status says so meanwhile" },
  { id: "F13", fault: "An editor saves the hosts file while ngrokd changes it", answer: "What was saved is in the file afterwards: it is compared once more right before it is replaced" },
  { id: "F14", fault: "The hosts file has 1 MiB or 100,000 lines", answer: "Done within 1 s" },
  { id: "F15", fault: "A state file is cut off at any byte", answer: "ngrokd starts, and sets what it cannot use aside" },
  { id: "F16", fault: "The state holds foreign, double or reserved addresses, wrong types, or a million entries", answer: "Bad entries go one by one, each with its reason; good ones keep their address" },
  { id: "F17", fault: "The private key can be opened by others, belongs to somebody else, or is a link", answer: "Refused, with the file, its mode, and the command that puts it right" },
  { id: "F18", fault: "Certificate and key do not fit each other", answer: "Both are set aside, and a new certificate is got" },
  { id: "F21", fault: "The socket of a killed daemon stands in the way", answer: "The next start replaces it and runs within 2 s" },
  { id: "F22", fault: "A second ngrokd is started", answer: "It ends with an error that says so; the first does not notice" },
  { id: "F23", fault: "A handler throws, or a rejection is handled by nobody", answer: "It is logged, that one connection ends, and ngrokd lives" },
  { id: "F26", fault: "SIGHUP", answer: "The configuration is read again; nothing ends" },
  { id: "F27", fault: "SIGTERM twice, or while ngrokd starts", answer: "One clean end, within 2 s of the second; nothing of ngrokd is left in the hosts file" },
  { id: "F28", fault: "Standard output is closed, or the log is on a full disk", answer: "ngrokd goes on" },
  { id: "F29", fault: "ngrokd crashes over and over", answer: "The service manager stops trying, and the clean-up has left nothing in the hosts file" },
  { id: "F30", fault: "The program ip is missing, hangs, fails or prints garbage", answer: "It has 5 s; then ngrokd says why, leaves nothing half made, and serves loopback addresses" },
  { id: "F31", fault: "The kernel has no dummy interfaces", answer: "ngrokd says so and takes a bridge, or else a route on lo" },
  { id: "F32", fault: "The interface is deleted or brought down, or loses its address or route", answer: "It is restored within a poll, and open listeners work again" },
  { id: "F33", fault: "The subnet is routed on this machine already", answer: "Another private /16 is chosen, said and remembered; the route is never taken" },
  { id: "F43", fault: "10,000 endpoints appear, 9,999 vanish, all return", answer: "Each step takes 10 s at most, and every name has its old address" },
  { id: "F44", fault: "An endpoint comes and goes at each poll", answer: "It has the same address and port each time, and the hosts file is written once a poll at most" },
  { id: "F45", fault: "Two endpoints have the same name and port, in whatever spelling", answer: "They share it if they are of one kind; else the oldest has it, and the other is listed with the reason" },
  { id: "F46", fault: "The API gives names that are none", answer: "Refused, counted and listed; not a byte of them comes into the hosts file" },
];
