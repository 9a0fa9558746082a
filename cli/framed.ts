import { lstatSync, readFileSync } from 'node:fs'
import { visible } from '../errors/visible.js'
import { formatDiagnostic, frameDiagnostic, type Diagnostic } from '../spec/diagnostics.js'
import { maximumBytes } from '../spec/document.js'
import { overridesFile, overridesText } from '../spec/overrides.js'

/** Places before the text of a line. */
const margin = 8

/**
 * Mistakes for people: each with the line at fault and carets under it, where they are read at a terminal.
 * @param overrides  options that were laid over the spec
 * @param terminal   where they are written
 */
export function framed(
  diagnostics: readonly Diagnostic[],
  overrides: readonly string[],
  { isTTY, columns = 80 }: Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>,
): string[] {
  if (!isTTY) return diagnostics.map(formatDiagnostic)
  const texts = new Map<string, string | undefined>([[overridesFile, overridesText(overrides)]])
  return diagnostics.map((diagnostic) => {
    const { file } = diagnostic
    if (!texts.has(file)) texts.set(file, textOf(file))
    return visible(frameDiagnostic(diagnostic, texts.get(file), columns - margin - 1))
  })
}

/** A spec's text, or a pipeline's; undefined of what cannot be read again, such as a pipe. */
function textOf(file: string): string | undefined {
  const stats = lstatSync(file, { throwIfNoEntry: false })
  return stats?.isFile() && stats.size <= maximumBytes ? readFileSync(file, 'utf8') : undefined
}
