import canonicalize from 'canonicalize'
import { createHash } from 'node:crypto'
import { shown } from '../errors/foreign.js'

/** A SHA-256 digest as 64 lower-case hexadecimal digits. Only this module creates them. */
export type Digest = string & { readonly __brand: 'Digest' }

/** Canonical JSON (RFC 8785): the same text for the same data, whatever the order of keys. */
export function canonicalJson(value: unknown): string {
  // The package's types describe a CommonJS module; at run time the default export is the function.
  // eslint-disable-next-line no-restricted-syntax
  const text = (canonicalize as unknown as (value: unknown) => string | undefined)(value)
  if (text === undefined) throw new Error('Internal error: cannot digest a value without a JSON form')
  return text
}

/** Computes the SHA-256 of bytes, or of a text's UTF-8 bytes. */
export function digestBytes(data: Uint8Array | string): Digest {
  return createHash('sha256').update(data).digest('hex') as Digest
}

/** Computes the SHA-256 of a value's canonical JSON (RFC 8785): the order of keys does not matter. */
export function digestJson(value: unknown): Digest {
  return digestBytes(canonicalJson(value))
}

/** Whether something is a SHA-256 digest. */
export const isDigest = (value: unknown): value is Digest => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)

/** Checks a digest that comes from a file or a command line. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) throw new Error(`Internal error: ${shown(text)} is not a SHA-256 digest`)
  return text
}
