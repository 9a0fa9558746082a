import { readFileSync } from 'node:fs'
import { Failure } from '../errors/failure.js'

/**
 * Reads a file with a secret key: 32 random bytes as 64 hexadecimal digits.
 * @throws Failure InvalidInput if the file cannot be read or does not hold a key
 */
export function readKeyFile(file: string): Buffer {
  const bad = (message: string, cause?: unknown) =>
    new Failure('InvalidInput', `${file} ${message}`, {
      file,
      remedy: 'It must hold 32 random bytes as 64 hexadecimal digits: openssl rand -hex 32 > FILE.',
      cause,
    })
  let content: string
  try {
    content = readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw bad(`cannot be read: ${(error as Error).message}`, error)
  }
  if (!/^[0-9a-f]{64}$/i.test(content)) throw bad('does not hold a key')
  return Buffer.from(content, 'hex')
}
