import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'

/** Measures by how much the memory of this process grows at its highest, with what Linux knows. Elsewhere it measures nothing. */
export class PeakMemory {
  readonly #status: number | undefined
  readonly #text = Buffer.alloc(8192)
  #before = 0

  constructor() {
    try {
      writeFileSync('/proc/self/clear_refs', '5')
      this.#status = openSync('/proc/self/status', 'r')
    } catch {
      // Not Linux, or a system that does not let processes begin anew.
    }
  }

  begin(): void {
    if (this.#status === undefined) return
    writeFileSync('/proc/self/clear_refs', '5')
    this.#before = this.#kibibytes('VmRSS')
  }

  /** Bytes that were in use at one time since `begin` beyond those in use then. */
  growth(): number {
    return this.#status === undefined ? 0 : (this.#kibibytes('VmHWM') - this.#before) * 1024
  }

  close(): void {
    if (this.#status !== undefined) closeSync(this.#status)
  }

  #kibibytes(name: string): number {
    const text = this.#text.toString('latin1', 0, readSync(this.#status!, this.#text, 0, this.#text.length, 0))
    const at = text.indexOf(name)
    return parseInt(text.slice(at + name.length + 1), 10)
  }
}
