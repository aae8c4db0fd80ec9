/** Python: gives each address one line with all its names, as some tools for hosts files do. */
const MERGE = `
import re, sys
lines, names = [], {}
for line in open(sys.argv[1]):
    words = line.split("#")[0].split()
    if not words or line.startswith("#"): lines.append(line.rstrip("\\n"))
    elif words[0] in names: names[words[0]] += [word for word in words[1:] if word not in names[words[0]]]
    else:
        names[words[0]] = words[1:]
        lines.append(words[0])
open(sys.argv[1], "w").write("".join(" ".join([line, *names.get(line, [])]) + "\\n" for line in lines))
`;

/**
 * Changes that other tools make to a hosts file with ngrokd's section, as shell scripts with the
 * file as `$1`. Each of them leaves the lines of others readable.
 */
export const OTHER_TOOLS: Readonly<Record<string, string>> = {
  "remove the start marker": `sed -i '/BEGIN ngrokd/d' "$1"`,
  "remove the end marker": `sed -i '/END ngrokd/d' "$1"`,
  "remove all comments": `sed -i '/^#/d' "$1"`,
  "remove our lines and leave the markers": `sed -i '/example.com$/d' "$1"`,
  "remove one of our lines": `sed -i '/b.example.com/d' "$1"`,
  "remove the section": `sed -i '/BEGIN ngrokd/,/END ngrokd/d' "$1"`,
  "duplicate the section": `sed -n '/BEGIN ngrokd/,/END ngrokd/p' "$1" >"$1.2"; cat "$1.2" >>"$1"; rm "$1.2"`,
  "sort the lines": `LC_ALL=C sort -o "$1" "$1"`,
  "sort the lines in reverse": `LC_ALL=C sort -r -o "$1" "$1"`,
  "sort the lines as a dictionary": `LC_ALL=C sort -d -o "$1" "$1"`,
  "reverse the lines": `tac "$1" >"$1.2"; mv "$1.2" "$1"`,
  "change line ends to CRLF": `sed -i 's/$/\\r/' "$1"`,
  "indent the lines": `sed -i 's/^/  /' "$1"`,
  "expand the tabs": `expand "$1" >"$1.2"; cat "$1.2" >"$1"; rm "$1.2"`,
  "double the line space": `sed -i G "$1"`,
  "append comments": `sed -i '/./s/$/ # seen/' "$1"`,
  "append comments and remove the end marker": `sed -i '/END ngrokd/d; /./s/$/ # seen/' "$1"`,
  "turn the section into comments": `sed -i '/BEGIN ngrokd/,/END ngrokd/s/^/#/' "$1"`,
  "move the markers to the end":
    `sed -n /ngrokd/p "$1" >"$1.2"; sed -i /ngrokd/d "$1"; cat "$1.2" >>"$1"; rm "$1.2"`,
  "move the end marker to the end": `sed -i '/END ngrokd/{h;d};\${G}' "$1"`,
  "move our lines above":
    `grep example.com$ "$1" >"$1.2"; grep -v example.com$ "$1" >>"$1.2"; mv "$1.2" "$1"`,
  "move our lines out and duplicate the markers":
    `sed /ngrokd/d "$1" >"$1.2"; sed -n /ngrokd/p "$1" >>"$1.2"; ` +
    `sed -n /ngrokd/p "$1" >>"$1.2"; mv "$1.2" "$1"`,
  "write into our section": `sed -i '/BEGIN ngrokd/a 10.0.0.7 tv.lan\\n# by hand' "$1"`,
  "change our addresses": `sed -i '/BEGIN ngrokd/,/END ngrokd/s/^[0-9.]*\\t/6.6.6.6\\t/' "$1"`,
  "add a byte order mark": `sed -i '1s/^/\\xef\\xbb\\xbf/' "$1"`,
  "merge the lines of an address": `python3 -c '${MERGE}' "$1"`,
};
