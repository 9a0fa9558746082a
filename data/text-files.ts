import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Failure } from '../api/index.js'
import { lookAt, type FileLook } from './data-file.js'

/** Largest number of characters of a line or record, which is held in memory. */
export const longestLine = 64 * 2 ** 20

/** A gzip file may unpack to as much as this however small it is; */
const smallUnpacked = 8 * 2 ** 20
/** to more only if each of its bytes stands for at most so many. Text packs to a third, and the same line again and again to a
 *  thousandth. */
const largestRatio = 100

/** A line of a file without its line break, and its number, counted from 1. */
export interface Line {
  readonly line: number
  readonly text: string
}

/** Reads the lines of a text file, which end with \n or \r\n. Memory holds one line at a time.
 *  @throws Failure InvalidInput with file and line */
export async function* readLines(path: string, remedy: string): AsyncGenerator<Line> {
  let line = 0
  let held: string[] = []
  let size = 0
  const finish = (): Line => {
    const text = held.join('')
    ;[held, size] = [[], 0]
    return { line: ++line, text: text.endsWith('\r') ? text.slice(0, -1) : text }
  }
  for await (const chunk of readCharacters(path, lookAt(path))) {
    let from = 0
    for (let end = chunk.indexOf('\n'); end !== -1; end = chunk.indexOf('\n', from)) {
      held.push(chunk.slice(from, end))
      from = end + 1
      yield finish()
    }
    if (from < chunk.length) held.push(chunk.slice(from))
    size += chunk.length - from
    if (size > longestLine)
      throw new Failure('InvalidInput', `${path}:${line + 1}: is longer than ${longestLine} characters`, {
        file: path,
        remedy,
      })
  }
  if (held.length > 0) yield finish()
}

/** Reads a text file in parts of at most `most` characters, which end after a line if possible, or else after a space. No
 *  character is lost.
 *  @throws Failure InvalidInput with the file */
export async function* readText(path: string, most: number, look = lookAt(path)): AsyncGenerator<string> {
  let text = ''
  let divided = false
  for await (const chunk of readCharacters(path, look)) {
    text += chunk
    while (text.length > most) {
      const end = placeToDivide(text, most)
      yield text.slice(0, end)
      divided = true
      text = text.slice(end)
    }
  }
  if (text !== '' || !divided) yield text
}

/** Finds the place to divide a text so that the first part has at most `most` characters. */
function placeToDivide(text: string, most: number): number {
  const after = text.lastIndexOf('\n', most - 1) + 1 || text.lastIndexOf(' ', most - 1) + 1
  if (after > 0) return after
  // Not between the two code units of one character.
  const unit = text.charCodeAt(most)
  return unit >= 0xdc00 && unit <= 0xdfff && most > 1 ? most - 1 : most
}

/** Reads the characters of a file, unpacked and decoded, in pieces of at most 64 Ki. A byte order mark is removed.
 *  @throws Failure InvalidInput with line and byte of an invalid character */
export async function* readCharacters(path: string, { packed, encoding }: FileLook): AsyncGenerator<string> {
  const decoder = new TextDecoder(encoding, { fatal: true })
  let [bytes, line] = [0, 1]
  // Bytes of an incomplete character, which continues in the next chunk.
  let cut = Buffer.alloc(0)
  const bad = (at: number, message: string, remedy: string) =>
    new Failure('InvalidInput', `${path}:${at}: ${message}`, { file: path, remedy })
  const name = encoding.toUpperCase()
  const broken = (at: number, offset: number) =>
    bad(
      at,
      `is not ${name} at byte ${offset}`,
      encoding === 'utf-8'
        ? `Write it as UTF-8: if it is Latin-1, \`iconv -f LATIN1 -t UTF-8 ${path}\`.`
        : 'Write it as UTF-8.',
    )
  const checked = (text: string): string => {
    const nul = text.indexOf('\0')
    if (nul !== -1) throw bad(line + newlines(text.slice(0, nul)), 'has a NUL character', 'Remove it.')
    line += newlines(text)
    return text
  }
  for await (const chunk of readBytes(path, packed)) {
    const whole = cut.length > 0 ? Buffer.concat([cut, chunk]) : chunk
    let text: string
    try {
      text = decoder.decode(chunk, { stream: true })
    } catch {
      const [valid, at] = firstInvalid(whole, encoding)
      const offset = bytes - cut.length + at
      if (valid !== '') yield checked(bytes === cut.length ? valid.replace(/^\ufeff/, '') : valid)
      throw broken(line, offset)
    }
    bytes += chunk.length
    cut = Buffer.from(whole.subarray(whole.length - unfinished(whole, encoding)))
    if (text !== '') yield checked(text)
  }
  try {
    decoder.decode()
  } catch {
    throw broken(line, bytes - cut.length)
  }
}

function newlines(text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++
  return count
}

/** Number of bytes at the end that belong to an incomplete character. */
function unfinished(bytes: Buffer, encoding: FileLook['encoding']): number {
  if (encoding !== 'utf-8') return bytes.length % 2
  for (let n = 0; n < Math.min(4, bytes.length); n++) if (isUtf8(bytes.subarray(0, bytes.length - n))) return n
  return 0
}

/** Returns the text before the first invalid bytes, and their position. */
function firstInvalid(bytes: Buffer, encoding: FileLook['encoding']): [valid: string, at: number] {
  if (encoding !== 'utf-8') return ['', 0]
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  let offset = 0
  let from = 0
  for (let i = text.indexOf('\ufffd'); i !== -1; i = text.indexOf('\ufffd', from)) {
    offset += Buffer.byteLength(text.slice(from, i))
    // The file may contain U+FFFD itself.
    if (bytes.subarray(offset, offset + 3).toString('hex') !== 'efbfbd') return [text.slice(0, i), offset]
    offset += 3
    from = i + 1
  }
  return [text, bytes.length]
}

/** Reads the unpacked bytes of a file, in pieces of at most 64 KiB. */
async function* readBytes(path: string, packed: FileLook['packed']): AsyncGenerator<Buffer> {
  const file = createReadStream(path)
  // The loop below throws the errors. The pipeline requires a callback nevertheless.
  const stream = packed ? pipeline(file, createGunzip({ chunkSize: 2 ** 16 }), () => {}) : file
  let unpacked = 0
  try {
    for await (const chunk of stream) {
      unpacked += (chunk as Buffer).length
      if (packed && unpacked > Math.max(smallUnpacked, largestRatio * file.bytesRead))
        throw new Failure('InvalidInput', `${path}: unpacks to more than ${unpacked} bytes, from ${file.bytesRead}`, {
          file: path,
          remedy: `It repeats the same text over and over. If that is intended, unpack it: \`gunzip ${path}\`.`,
        })
      yield chunk as Buffer
    }
  } catch (error) {
    if (error instanceof Failure) throw error
    const { code = '', message } = error as NodeJS.ErrnoException
    const broken = code.startsWith('Z_')
    throw new Failure('InvalidInput', `${path}: ${broken ? `is not a whole gzip file: ${message}` : message}`, {
      file: path,
      remedy: broken
        ? 'Fetch or compress the file again; `gzip -t FILE` checks it.'
        : 'Give the path of a readable file.',
    })
  } finally {
    file.destroy()
  }
}
