import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Failure } from '../api/index.js'
import { refusePointer } from '../api/stand-in.js'

/** Most bytes of a line: a line is held whole. */
export const longestLine = 64 * 2 ** 20

/** A line of a file as it is written, and its number, counted from 1. */
export interface Line {
  readonly line: number
  readonly text: string
}

/** Lines of a file of text in UTF-8, unpacked on the way where its name ends in .gz. One line is held at a time.
 *  @throws Failure InvalidInput with file and line */
export async function* readLines(path: string, remedy: string): AsyncGenerator<Line> {
  const bad = (line: number, message: string) =>
    new Failure('InvalidInput', `${path}:${line}: ${message}`, { file: path, remedy })
  let line = 0
  let held: Buffer[] = []
  let size = 0
  const finish = (): Line => {
    const bytes = held.length === 1 ? held[0]! : Buffer.concat(held)
    ;[held, size] = [[], 0]
    line++
    if (!isUtf8(bytes)) throw bad(line, 'is not UTF-8')
    const text = bytes.toString('utf8')
    // A byte order mark is no part of the first line.
    return { line, text: line === 1 && text.startsWith('\ufeff') ? text.slice(1) : text }
  }
  for await (const chunk of readBytes(path, remedy)) {
    let from = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      held.push(chunk.subarray(from, end))
      from = end + 1
      yield finish()
    }
    if (from < chunk.length) held.push(chunk.subarray(from))
    size += chunk.length - from
    if (size > longestLine) throw bad(line + 1, `is longer than ${longestLine} bytes`)
  }
  if (held.length > 0) yield finish()
}

/** A file of text in UTF-8, unpacked on the way where its name ends in .gz, whole up to `most` characters. Longer ones are
 *  divided there: after the last line, or else the last space. No character is lost.
 *  @throws Failure InvalidInput with the file */
export async function* readText(path: string, most: number): AsyncGenerator<string> {
  const remedy = 'Texts are UTF-8.'
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let bytes = 0
  const decode = (chunk?: Buffer): string => {
    try {
      return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode()
    } catch {
      const where = `between bytes ${bytes} and ${bytes + (chunk?.length ?? 0)}`
      throw new Failure('InvalidInput', `${path}: is not UTF-8 ${where}`, { file: path, remedy })
    }
  }
  let text = ''
  let divided = false
  for await (const chunk of readBytes(path, remedy)) {
    text += decode(chunk)
    bytes += chunk.length
    while (text.length > most) {
      const end = placeToDivide(text, most)
      yield text.slice(0, end)
      divided = true
      text = text.slice(end)
    }
  }
  text += decode()
  if (text !== '' || !divided) yield text
}

/** Where a text is divided so that the first part has at most `most` characters. */
function placeToDivide(text: string, most: number): number {
  const after = text.lastIndexOf('\n', most - 1) + 1 || text.lastIndexOf(' ', most - 1) + 1
  if (after > 0) return after
  // Not within a character of two code units.
  const unit = text.charCodeAt(most)
  return unit >= 0xdc00 && unit <= 0xdfff && most > 1 ? most - 1 : most
}

/** Bytes of a file, unpacked where its name ends in .gz, in pieces of at most 64 KiB. */
async function* readBytes(path: string, remedy: string): AsyncGenerator<Buffer> {
  refusePointer(path)
  const file = createReadStream(path)
  const packed = path.endsWith('.gz')
  // Errors come out of the loop below; the callback is there because they must be listened to.
  const stream = packed ? pipeline(file, createGunzip({ chunkSize: 2 ** 16 }), () => {}) : file
  try {
    for await (const chunk of stream) yield chunk as Buffer
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    const broken = code.startsWith('Z_')
    throw new Failure('InvalidInput', `${path}: ${broken ? `is not a whole gzip file: ${message}` : message}`, {
      file: path,
      remedy: broken ? 'Fetch or pack the file again: `gzip -t FILE` tells whether it is whole.' : remedy,
    })
  } finally {
    file.destroy()
  }
}
