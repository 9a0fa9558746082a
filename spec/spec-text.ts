import { readFile } from 'node:fs/promises'
import type { Diagnostic } from './diagnostics.js'

/** Text of a spec's file, or why there is none. */
export async function readSpecText(
  file: string,
): Promise<{ readonly text: string } | { readonly problem: Diagnostic }> {
  try {
    return { text: await readFile(file, 'utf8') }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const message = code === 'ENOENT' ? `There is no file "${file}".` : `The spec cannot be read: ${code}.`
    return { problem: { file, line: 1, column: 1, code: 'missing-file', message } }
  }
}
