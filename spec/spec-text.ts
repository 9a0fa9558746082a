import { isUtf8 } from 'node:buffer'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { pointerOf } from '../files/stand-in.js'
import { nearest, type Diagnostic } from './diagnostics.js'
import { maximumBytes } from './document.js'
import { meantPath } from './meant-path.js'

/** Text of a spec's file, or why there is none. */
export async function readSpecText(
  file: string,
): Promise<{ readonly text: string } | { readonly problem: Diagnostic }> {
  const bad = (code: string, message: string, hint?: string) => ({
    problem: { file, line: 1, column: 1, code, message, ...(hint !== undefined && { hint }) },
  })
  const specsIn = async (folder: string) =>
    (await readdir(folder).catch(() => [])).filter((name) => /\.(ya?ml|json)$/.test(name))
  const pointer = pointerOf(file)
  if (pointer) return bad('wrong-file', `"${file}" ${pointer.what}.`, pointer.remedy)
  try {
    const stats = await stat(file)
    if (stats.isDirectory()) {
      const names = await specsIn(file)
      const hint = names.length > 0 ? `name a spec in it: ${names.slice(0, 5).join(', ')}` : undefined
      return bad('wrong-file', `"${file}" is a folder, not a spec.`, hint)
    }
    // A pipe of a shell is as good as a file.
    if (!stats.isFile() && !stats.isFIFO()) return bad('wrong-file', `"${file}" is not a file.`)
    if (stats.size > maximumBytes)
      return bad('too-large', `The file has ${stats.size} bytes; the limit is ${maximumBytes} (1 MiB).`)
    return decodeText(await readFile(file), file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') return bad('missing-file', `The spec cannot be read: ${code}.`)
    const meant = meantPath(file, 'file')
    if (meant) return bad('missing-file', meant.message ?? `There is no file "${file}".`, meant.hint)
    const like = nearest(basename(file), await specsIn(dirname(file)))
    return bad('missing-file', `There is no file "${file}".`, like && `did you mean "${like}"?`)
  }
}

/** Text in UTF-8, whatever marks its beginning. */
export function decodeText(bytes: Buffer, file: string): { readonly text: string } | { readonly problem: Diagnostic } {
  if (isUtf8(bytes) && !bytes.includes(0)) return { text: bytes.toString('utf8') }
  // In UTF-16, one of the two bytes of a Latin letter is 0.
  const utf16 = bytes.subarray(0, 2).equals(Buffer.from([0xff, 0xfe])) || bytes.subarray(0, 200).includes(0)
  const message = utf16 ? 'The file is not UTF-8: it is UTF-16, or not text.' : 'The file is not UTF-8.'
  const hint = `save it as UTF-8${utf16 ? ': iconv -f UTF-16 -t UTF-8' : ''}`
  return { problem: { file, line: 1, column: 1, code: 'not-utf8', message, hint } }
}
