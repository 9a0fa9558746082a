/** Choices that a seed and the number of an input determine, so that any input can be made again alone. */
export class Choices {
  readonly #state: Int32Array

  constructor(seed: number, input: number) {
    this.#state = Int32Array.of(seed, input, Math.floor(input / 2 ** 32), 1)
    // Neighbouring inputs differ in a few bits: these rounds spread them.
    for (let i = 0; i < 12; i++) this.#next()
  }

  /** 0 to 2^32 - 1. @source Chris Doty-Humphrey, PractRand: sfc32 */
  #next(): number {
    const s = this.#state
    const sum = (s[0]! + s[1]! + s[3]!) | 0
    s[3]! += 1
    s[0] = s[1]! ^ (s[1]! >>> 9)
    s[1] = (s[2]! + (s[2]! << 3)) | 0
    s[2] = (((s[2]! << 21) | (s[2]! >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** A whole number from 0 to n - 1. */
  below = (n: number): number => Math.floor((this.#next() / 2 ** 32) * n)
  chance = (share: number): boolean => this.#next() < share * 2 ** 32
  of = <T>(list: readonly T[]): T => list[this.below(list.length)]!
  /** A whole number that is mostly small: every order of magnitude up to `most` is as likely. */
  size = (most: number): number => Math.floor(Math.exp((this.#next() / 2 ** 32) * Math.log(most + 1)))
  bytes = (length: number): Buffer => Buffer.from(Uint8Array.from({ length }, () => this.below(256)))
}
