import type { Signer } from './signer.js'
import { readJsonText } from './record.js'

/** A document that was written with a key. */
interface SignedDocument {
  readonly value: unknown
  readonly signature: string
}

/** Writes a document's file: the value itself, or with a key the value and its signature. */
export function documentText(name: string, value: unknown, signer: Signer | undefined): string {
  // As it will be read: without what JSON has no form for.
  const plain = JSON.parse(JSON.stringify(value)) as unknown
  const written = signer
    ? ({ value: plain, signature: signer.sign(titleOf(name), plain) } satisfies SignedDocument)
    : plain
  return JSON.stringify(written, null, 1)
}

/** Reads a document's file. With a key, one that is not signed with it counts as absent. */
export function readDocument(name: string, text: string | undefined, signer: Signer | undefined): unknown {
  const read = readJsonText(text)
  if (read === undefined) return undefined
  const [value, signature] = isSigned(read) ? [read.value, read.signature] : [read, undefined]
  return !signer || signer.accepts(titleOf(name), value, signature) ? value : undefined
}

const titleOf = (name: string) => `document ${name}`

const isSigned = (read: unknown): read is SignedDocument =>
  typeof read === 'object' && read !== null && Object.keys(read).sort().join() === 'signature,value'
