/**
 * Heads after `POST / HTTP/1.1` that two parsers could read differently; `~` stands for the Host.
 */
export const AMBIGUOUS: Readonly<Record<string, string>> = {
  "a length and chunked": "Host: ~\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "chunked and a length": "Host: ~\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
  "two lengths that differ": "Host: ~\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
  "two lengths that agree": "Host: ~\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
  "a list of lengths": "Host: ~\r\nContent-Length: 0, 44\r\n\r\n",
  "a signed length": "Host: ~\r\nContent-Length: +0\r\n\r\n",
  "an empty length": "Host: ~\r\nContent-Length:\r\n\r\n",
  "a hexadecimal length": "Host: ~\r\nContent-Length: 0x0\r\n\r\n",
  "a length beyond 2^53": "Host: ~\r\nContent-Length: 9007199254740993\r\n\r\n",
  "chunked that is not last": "Host: ~\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
  "chunked twice": "Host: ~\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
  "an unknown coding": "Host: ~\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
  "codings in two fields": "Host: ~\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
  "a blank before a colon": "Host: ~\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
  "a blank before Host's colon": "Host : ~\r\n\r\n",
  "obs-fold in a coding": "Host: ~\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
  "obs-fold in Host": "Host: ~\r\n evil\r\n\r\n",
  "a fold before the first field": " X: y\r\nHost: ~\r\n\r\n",
  "a bare LF after a field": "Host: ~\nContent-Length: 44\r\n\r\n",
  "a bare LF at the end": "Host: ~\r\n\n",
  "a bare CR in a value": "Host: ~\r\nX: y\rContent-Length: 44\r\n\r\n",
  "a NUL in a value": "Host: ~\r\nX: \0\r\n\r\n",
  "a NUL in a name": "Host: ~\r\nX\0: y\r\n\r\n",
  "an empty name": "Host: ~\r\n: y\r\n\r\n",
  "no colon": "Host: ~\r\nX\r\n\r\n",
  "no Host": "X: y\r\n\r\n",
  "two Hosts": "Host: ~\r\nHost: evil\r\n\r\n",
  "two spellings of Host": "Host: ~\r\nhOST: ~\r\n\r\n",
  "a list of Hosts": "Host: ~, evil\r\n\r\n",
  "a user in Host": "Host: x@evil\r\n\r\n",
};

/**
 * Chunked bodies that two parsers could read differently: the part that may pass, and the part that
 * must not.
 */
export const AMBIGUOUS_CHUNKS: Readonly<Record<string, readonly [passes: string, stops: string]>> = {
  "a size beyond 2^53": ["", "ffffffffffffffff\r\n"],
  "a size that wraps at 2^64": ["", "10000000000000000\r\n\r\n"],
  "0x": ["", "0x0\r\n\r\n"],
  "a sign": ["", "-0\r\n\r\n"],
  "a blank before the size": ["", " 0\r\n\r\n"],
  "no size": ["", "\r\n"],
  "a bare LF after the size": ["", "0\n\r\n"],
  "a bare LF in an extension": ["", "0;a\nb\r\n\r\n"],
  "a bare CR in an extension": ["", "0;a\rb\r\n\r\n"],
  "an extension without end": ["", `0;${"x".repeat(1100)}\r\n\r\n`],
  "more data than the size": ["3\r\nabc", "d\r\n0\r\n\r\n"],
  "a bare LF after the data": ["3\r\nabc", "\n0\r\n\r\n"],
  "a bare LF for the last line": ["0\r\n", "\n"],
  "a Host in the trailers": ["0\r\n", "Host: evil\r\n\r\n"],
  "a length in the trailers": ["0\r\n", "Content-Length: 44\r\n\r\n"],
  "a folded trailer": ["0\r\nX: y\r\n", " z\r\n\r\n"],
};
