import { readFile } from 'node:fs/promises'
import { pointerOf } from '../plugins/api/stand-in.js'
import type { Diagnostic } from './diagnostics.js'

/** Text of a spec's file, or why there is none. */
export async function readSpecText(
  file: string,
): Promise<{ readonly text: string } | { readonly problem: Diagnostic }> {
  const at = { file, line: 1, column: 1 }
  const pointer = pointerOf(file)
  if (pointer)
    return { problem: { ...at, code: 'wrong-file', message: `"${file}" ${pointer.what}.`, hint: pointer.remedy } }
  try {
    return { text: await readFile(file, 'utf8') }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const message = code === 'ENOENT' ? `There is no file "${file}".` : `The spec cannot be read: ${code}.`
    return { problem: { ...at, code: 'missing-file', message } }
  }
}
