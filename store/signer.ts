import { createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalJson } from './digest.js'
import { readKeyFile } from './key-file.js'

/** Environment variable with the path of the key file. The key itself is never in a setting. */
export const storeKeyVariable = 'PUZZLEFLOW_STORE_KEY_FILE'

/** Names that are told one by one. */
const mostNamed = 3

/**
 * Signs what this user's commands and workers write to a store, and tells it from what others have written. Whoever has the key
 * can do both. A signature covers the name too, so that nothing counts in another place than its own.
 */
export class Signer {
  /** Names of what was read and has no valid signature. */
  readonly refused = new Set<string>()

  /** @param key  32 bytes  @param warn  receives a line for what is refused */
  constructor(
    private readonly key: Buffer,
    private readonly warn: (line: string) => void,
  ) {}

  /** HMAC-SHA256 of a name and a value's canonical JSON, 64 hexadecimal digits. */
  sign(name: string, value: unknown): string {
    return createHmac('sha256', this.key).update(`puzzleflow ${name}\n`).update(canonicalJson(value)).digest('hex')
  }

  /** Whether a signature is the key's. If not, warns, the first time. */
  accepts(name: string, value: unknown, signature: unknown): boolean {
    const [expected, given] = [this.sign(name, value), typeof signature === 'string' ? signature : '']
    const isValid = given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected))
    if (isValid) this.refused.delete(name)
    else this.refuse(name, signature === undefined ? 'is not signed' : 'is signed with another key, or has changed')
    return isValid
  }

  private refuse(name: string, why: string): void {
    if (this.refused.has(name)) return
    this.refused.add(name)
    const { size } = this.refused
    if (size <= mostNamed) this.warn(`The ${name} in the store ${why}: it counts as absent.`)
    if (size === mostNamed + 1) this.warn('There are more of these: `npx puzzleflow artifacts verify` names them all.')
  }
}

/** The signer with the key in the file that PUZZLEFLOW_STORE_KEY_FILE names; undefined if it is not set.
 *  @throws Failure InvalidInput if the file cannot be read or does not hold a key */
export function storeSigner(warn: (line: string) => void): Signer | undefined {
  const file = process.env[storeKeyVariable]
  return file ? new Signer(readKeyFile(file), warn) : undefined
}
