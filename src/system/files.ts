/** The operations on files and directories. All of them throw {@linkcode FileError}. */
export * from "./guard.ts";
export * from "./paths.ts";
export * from "./read_file.ts";
export * from "./write_file.ts";
