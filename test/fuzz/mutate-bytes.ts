import type { Choices } from './choices.js'

const bytes = [0, 1, 0x7f, 0x80, 0xfe, 0xff]
const words = [0, 1, 2, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 2 ** 16, 2 ** 24]
const longs = [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 62n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n - 8n]
/** Numbers of variable length: huge, 2^28, and one that needs no third byte. */
const varints = [
  [0xfe, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 1],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
  [0xff, 0x7f],
  [0x80, 0x80, 0],
]

/**
 * Bytes with some changed: bits, numbers of 2, 4 and 8 bytes and of variable length, parts removed, repeated or exchanged.
 * @param within  where most of the changes are: the first so many bytes. @default all of them
 */
export function mutateBytes(given: Uint8Array, choices: Choices, within = given.length): Buffer {
  let out = Buffer.from(given)
  for (let changes = choices.of([1, 1, 1, 2, 4, 16]); changes > 0 && out.length > 0; changes--) {
    const at = choices.below(choices.chance(0.8) ? Math.min(within, out.length) : out.length)
    const put = (bytes: Uint8Array | readonly number[], instead: number) =>
      (out = Buffer.concat([out.subarray(0, at), Buffer.from(bytes as Uint8Array), out.subarray(at + instead)]))
    switch (choices.below(9)) {
      case 0:
        out[at]! ^= 1 << choices.below(8)
        break
      case 1:
        out[at] = choices.of(bytes)
        break
      case 2:
        out[at]! += choices.of([1, 255])
        break
      case 3:
        if (at + 4 <= out.length) out.writeUInt32LE(choices.of([...words, out.length, out.length * 2]), at)
        break
      case 4:
        if (at + 8 <= out.length) out.writeBigUInt64LE(choices.of([...longs, BigInt(out.length)]), at)
        break
      case 5:
        put(choices.of(varints), choices.of([0, 1, 5]))
        break
      case 6:
        put([], choices.of([1, 4, 8, 40]))
        break
      case 7:
        put(choices.bytes(choices.size(64)), choices.of([0, 1, 8]))
        break
      default: {
        const from = choices.below(out.length)
        put(Buffer.from(out.subarray(from, from + choices.of([1, 8, 64]))), choices.of([0, 8]))
      }
    }
  }
  return choices.chance(0.05) ? out.subarray(0, choices.below(out.length + 1)) : out
}
