import type { DataConverter, Payload, PayloadCodec } from '@temporalio/common'
import proto from '@temporalio/proto'
import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Failure } from '../api/index.js'
import { readKeyFile } from '../store/key-file.js'
import { packageRoot } from '../store/paths.js'

const encoding = 'binary/encrypted'
/** Environment variable with the path of the key file. The key itself is never in a setting. */
export const keyFileVariable = 'PUZZLEFLOW_PAYLOAD_KEY_FILE'

const text = (value: string) => new TextEncoder().encode(value)
const PayloadMessage = proto.temporal.api.common.v1.Payload

/**
 * Encrypts the data of a search that the server keeps (arguments, results, heartbeats, updates, summaries) with AES-256-GCM.
 * What the server works with stays readable: names of workflows, queues and tasks, and search attributes.
 */
export class EncryptingCodec implements PayloadCodec {
  /** Identifies the key, to distinguish a wrong key from damage. */
  readonly keyId: string

  /** @param key  32 bytes, the AES-256 key */
  constructor(private readonly key: Buffer) {
    this.keyId = createHash('sha256').update(key).digest('hex').slice(0, 12)
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', this.key, iv)
      const plain = PayloadMessage.encode(payload).finish()
      const data = Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
      return { metadata: { encoding: text(encoding), key: text(this.keyId) }, data }
    })
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      const key = keyOf(payload)
      const { data } = payload
      if (key === undefined || !data) return payload
      if (key !== this.keyId)
        throw new Failure('InvalidInput', `A payload was encrypted with the key ${key}, not with ${this.keyId}`, {
          remedy: `Set ${keyFileVariable} to the file with the key of this search.`,
        })
      const [iv, body, tag] = [data.subarray(0, 12), data.subarray(12, -16), data.subarray(-16)]
      const decipher = createDecipheriv('aes-256-gcm', this.key, iv)
      decipher.setAuthTag(tag)
      return PayloadMessage.decode(Buffer.concat([decipher.update(body), decipher.final()]))
    })
  }
}

/** Name of the key that a payload is encrypted with; undefined when it is readable. */
function keyOf({ metadata }: Payload): string | undefined {
  const of = (name: string) => Buffer.from(metadata?.[name] ?? []).toString()
  return of('encoding') === encoding ? of('key') : undefined
}

/** Without a key: refuses encrypted payloads and names the key they need. */
const keyless: PayloadCodec = {
  encode: (payloads) => Promise.resolve(payloads),
  async decode(payloads) {
    const key = payloads.map(keyOf).find((own) => own !== undefined)
    if (key === undefined) return payloads
    throw new Failure('InvalidInput', `A payload is encrypted, with the key ${key}`, {
      remedy: `Set ${keyFileVariable} to the file with that key.`,
    })
  },
}

/** The codec with the key in the file that PUZZLEFLOW_PAYLOAD_KEY_FILE names; undefined if it is not set.
 *  @throws Failure InvalidInput if the file cannot be read or does not hold a key */
export function payloadCodec(): EncryptingCodec | undefined {
  const file = process.env[keyFileVariable]
  if (file === undefined || file === '') return undefined
  return new EncryptingCodec(readKeyFile(file))
}

/** A value for a search attribute that can be compared but not read: with a key, its keyed digest (HMAC-SHA-256, 64
 *  hexadecimal digits); without one, the value itself. @throws Failure InvalidInput if the key cannot be read */
export function sealed(value: string): string {
  const file = process.env[keyFileVariable]
  return file ? createHmac('sha256', readKeyFile(file)).update(value).digest('hex') : value
}

/** For clients and workers: with a key failures' texts are encrypted too. */
export function payloadConverter(): DataConverter {
  const codec = payloadCodec()
  if (!codec) return { payloadCodecs: [keyless] }
  // Compiled: workers and clients load it themselves.
  const failureConverterPath = join(packageRoot(), 'dist/workflows/failure-converter.js')
  return { payloadCodecs: [codec], failureConverterPath }
}
