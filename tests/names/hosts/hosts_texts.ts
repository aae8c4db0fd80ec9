/** Returns true for the virtual addresses of these texts and of {@linkcode someNames}. */
export function isOwn(address: string): boolean {
  return address.startsWith("10.107.");
}

/** A section of an earlier run. */
export const OLD_BLOCK =
  "# BEGIN ngrokd managed section\n10.107.0.9\told.example\n# END ngrokd managed section\n";

const PLAIN =
  "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n\n# added by hand\n192.168.1.5\tnas nas.lan\n";

/** Hosts files without our section, one character per byte. */
export const CLEAN_HOSTS: Readonly<Record<string, string>> = {
  "plain": PLAIN,
  "empty": "",
  "a single line end": "\n",
  "CRLF": PLAIN.replaceAll("\n", "\r\n"),
  "CRLF without a final line end": PLAIN.trimEnd().replaceAll("\n", "\r\n"),
  "mixed line ends": "127.0.0.1 a\r\n127.0.0.2 b\n127.0.0.3 c\r\n",
  "bare CR at the end": "127.0.0.1 a\r",
  "LF, then a bare CR at the end": "127.0.0.1 a\n127.0.0.2 b\r",
  "no final line end": PLAIN.trimEnd(),
  "blank lines at the end": `${PLAIN}\n\n\n`,
  "byte order mark": `\u00ef\u00bb\u00bf${PLAIN}`,
  "nothing but a byte order mark": "\u00ef\u00bb\u00bf",
  "comments with the markers' words":
    "# ngrokd managed section\n# BEGIN ngrokd section\n# END managed\n#BEGIN ngrokd managed section\n# begin ngrokd managed section\n",
  "100,000 lines": Array.from(
    { length: 100_000 },
    (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255} h${i}\n`,
  )
    .join(""),
  "tabs and trailing blanks": "\t127.0.0.1\t\tlocalhost\t \n \t\n10.0.0.1 \t a\tb \t# c\n",
  "UTF-8": "127.0.0.1 localhost # Gr\u00c3\u00bc\u00c3\u009fe \u00e2\u0082\u00ac\n",
  "bytes that are not UTF-8": "127.0.0.1 localhost # caf\u00e9 \u00ff\u00fe\u0080\n",
  "NUL bytes": "127.0.0.1 localhost\u0000\n\u0000\u0000\n10.0.0.1 a",
  "a very long line": `10.0.0.1 ${"n".repeat(1_000_000)}\n127.0.0.1 localhost\n`,
};

/** Hosts files with a whole section, and the text that remains when it is removed. */
export const MANAGED_HOSTS: Readonly<Record<string, { readonly text: string; readonly without: string }>> = {
  "section at the end": { text: `${PLAIN}\n${OLD_BLOCK}`, without: PLAIN },
  "section at the end, last line end gone": { text: `${PLAIN}\n${OLD_BLOCK.trimEnd()}`, without: PLAIN },
  "section in the middle": {
    text: `${PLAIN}\n${OLD_BLOCK}10.0.0.1 after\n`,
    without: `${PLAIN}10.0.0.1 after\n`,
  },
  "section in the middle, no blank line before": {
    text: `10.0.0.1 a\n${OLD_BLOCK}10.0.0.2 b`,
    without: "10.0.0.1 a\n10.0.0.2 b",
  },
  "section at the start": { text: `${OLD_BLOCK}${PLAIN}`, without: PLAIN },
  "section at the start, after a byte order mark": {
    text: `\u00ef\u00bb\u00bf${OLD_BLOCK}${PLAIN}`,
    without: `\u00ef\u00bb\u00bf${PLAIN}`,
  },
  "section after one blank line of the user": {
    text: `\n${OLD_BLOCK}10.0.0.1 a\n`,
    without: "\n10.0.0.1 a\n",
  },
  "section in CRLF": {
    text: `${PLAIN}\n${OLD_BLOCK}`.replaceAll("\n", "\r\n"),
    without: PLAIN.replaceAll("\n", "\r\n"),
  },
};

/**
 * Hosts files in which another program has broken the section, and the text that remains when
 * ngrokd's lines are removed. There is no record of them.
 */
export const BROKEN_HOSTS: Readonly<Record<string, { readonly text: string; readonly without: string }>> = {
  "END is missing": {
    text: `a\n# BEGIN ngrokd managed section\n10.0.0.1 x\nb\n`,
    without: "a\n10.0.0.1 x\nb\n",
  },
  "BEGIN is missing": {
    text: `a\n10.0.0.1 x\n# END ngrokd managed section\nb\n`,
    without: "a\n10.0.0.1 x\nb\n",
  },
  "END comes first": {
    text: "# END ngrokd managed section\na\n# BEGIN ngrokd managed section\n",
    without: "a\n",
  },
  "two sections": { text: `a\n${OLD_BLOCK}b\n${OLD_BLOCK}`, without: "a\nb\n" },
  "section in a section": { text: `# BEGIN ngrokd managed section\n${OLD_BLOCK}`, without: "" },
  "END twice": { text: `${OLD_BLOCK}# END ngrokd managed section\n`, without: "" },
  "marker in a comment of others": {
    text: `a\n# see # BEGIN ngrokd managed section\n\n${OLD_BLOCK}`,
    without: "a\n# see # BEGIN ngrokd managed section\n",
  },
  "markers that became comments": { text: `a\n\n${OLD_BLOCK.replaceAll("# ", "## ")}`, without: "a\n" },
  "marker behind a line of others": {
    text: `${OLD_BLOCK}10.0.0.1 a # END ngrokd managed section\n`,
    without: "10.0.0.1 a # END ngrokd managed section\n",
  },
  "marker with other text": {
    text: `# BEGIN ngrokd managed section of mine\n\n${OLD_BLOCK}`,
    without: "# BEGIN ngrokd managed section of mine\n",
  },
  "blank after the marker": { text: OLD_BLOCK.replace("section\n", "section \n"), without: "" },
  "two markers in one line": {
    text: "a\n# BEGIN ngrokd managed section# END ngrokd managed section\n",
    without: "a\n",
  },
  "lines of others in the section": {
    text: `a\n${OLD_BLOCK.replace("10.107", "# mine\n127.0.0.1\tlocalhost\n10.107")}`,
    without: "a\n# mine\n127.0.0.1\tlocalhost\n",
  },
  // They were removed, as ngrokd's.
  "lines of others in the section, of the form of ngrokd's": {
    text: `a\n${OLD_BLOCK.replace("# END", "192.168.1.5\tnas.lan\n127.0.0.1 dev.example\n# END")}`,
    without: "a\n192.168.1.5\tnas.lan\n127.0.0.1 dev.example\n",
  },
  "lines of shared listeners": {
    text: `a\n\n${OLD_BLOCK.replace("# END", "127.0.0.1\tshared.example\n127.0.0.9\tb.example\n# END")}`,
    without: "a\n",
  },
};

/** `count` names with addresses of 10.107.0.0/16. */
export function someNames(count: number): Map<string, string> {
  return new Map(
    Array.from({ length: count }, (_, i) => [`n${i}.example`, `10.107.${(i + 2) >> 8}.${(i + 2) & 255}`]),
  );
}

/** The names in our section of a hosts file, each with its address. */
export function readBlock(text: string): Map<string, string> {
  const block =
    /^(?:\u00ef\u00bb\u00bf)?# BEGIN ngrokd managed section\r?\n([^]*)^# END ngrokd managed section/m.exec(
      text,
    )?.[1] ?? "";
  const lines = block.split(/\r?\n/).filter((line) => line !== "").map((line) => line.split("\t"));
  return new Map(lines.map(([address, name]) => [name!, address!]));
}
