/** The part of the file system that a state file needs. */
export interface StateFiles {
  /** @throws {FileError} */
  readText(path: string): Promise<string>;
  /** @throws {FileError} */
  writeFileAtomic(path: string, text: string, options: { mode: number }): Promise<void>;
  /** @throws {FileError} */
  renameFile(from: string, to: string): Promise<void>;
}
