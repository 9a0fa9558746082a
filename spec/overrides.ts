import type { Json, JsonObject } from '../api/block.js'
import { isObject } from '../api/json-object.js'
import type { Diagnostic } from './diagnostics.js'
import { readDocument, type SourceDocument } from './document.js'
import { pointer } from './source-map.js'

/** How places in overrides are named, as if they were the lines of a file. */
export const overridesFile = '--set'

/** The text that the places of mistakes in overrides belong to: one a line. */
export const overridesText = (overrides: readonly string[]): string => overrides.join('\n')

/**
 * Lays values over those of a spec, as the option `--set` names them: `stages.distill.tokens=20k`, `space.ffn.1.width=[25%]`.
 * Each value is YAML. Mistakes in them, and those that checks find later, have their place in the override.
 */
export function withOverrides(spec: SourceDocument, overrides: readonly string[]): SourceDocument {
  if (spec.unreadable) return spec
  let unreadable = false
  const diagnostics: Diagnostic[] = [...spec.diagnostics]
  const data = structuredClone(spec.data)
  let line = 1
  for (const override of overrides) {
    const diagnose = (column: number, length: number, code: string, message: string, hint: string) =>
      diagnostics.push({ file: overridesFile, line, column, length, code, message, hint })
    const read = readOverride(override, line)
    if ('problem' in read) diagnose(...read.problem)
    else {
      const value = readDocument(overridesFile, read.text)
      diagnostics.push(...value.diagnostics)
      unreadable ||= value.unreadable
      if (!value.unreadable) {
        const problem = place(data, read.path, value, line, spec)
        if (problem) diagnose(...problem)
      }
    }
    line += override.split('\n').length
  }
  return { ...spec, data, diagnostics, unreadable }
}

type Problem = readonly [column: number, length: number, code: string, message: string, hint: string]

const example = 'write KEY=VALUE: --set stages.distill.tokens=20k'

/** An override's path and a YAML text in which its value stands in the same place, as the value of the key `v`. */
function readOverride(
  override: string,
  line: number,
): { readonly path: readonly string[]; readonly text: string } | { readonly problem: Problem } {
  const end = override.indexOf('=')
  const whole = Math.max(1, end < 0 ? override.length : end)
  if (end < 0) return { problem: [1, whole, 'wrong-override', `"${override}" has no "=".`, example] }
  const path = override.slice(0, end).trim().split('.')
  if (path.includes('')) return { problem: [1, whole, 'wrong-override', 'A part of the key is empty.', example] }
  if (path.includes('__proto__'))
    return { problem: [1, whole, 'wrong-value', 'The key "__proto__" is not allowed.', example] }
  const written = override.slice(end + 1)
  // A shell takes the quotes of ">= 3x", without which YAML reads the beginning of a block of text.
  const value = /^\s*>=.*$/.test(written) ? `'${written.trim().replaceAll("'", "''")}'` : written
  return { path, text: `${'\n'.repeat(line - 1)}v:${' '.repeat(Math.max(1, end - 1))}${value}` }
}

/** Puts a value into the data, and its place into the map. @returns what stands in the way */
function place(
  data: JsonObject,
  path: readonly string[],
  value: SourceDocument,
  line: number,
  { map }: SourceDocument,
): Problem | undefined {
  let around: JsonObject | Json[] = data
  let column = 1
  for (const [i, part] of path.entries()) {
    const at = pointer(path.slice(0, i + 1))
    const problem = (message: string, hint: string): Problem => [column, part.length, 'wrong-override', message, hint]
    const before = path.slice(0, i).join('.')
    if (Array.isArray(around) && !(/^\d+$/.test(part) && Number(part) < around.length)) {
      const hint = `write a number from 0 to ${around.length - 1}, or the whole list: ${before}=[…]`
      return around.length === 0
        ? problem(`${before} is an empty list.`, `write the whole list: ${before}=[…]`)
        : problem(`${before} is a list without an item "${part}".`, hint)
    }
    const holder = around as Record<string, Json>
    const isLast = i === path.length - 1
    if (isLast || !Object.hasOwn(holder, part) || holder[part] === null) {
      const range = { file: overridesFile, line, column, length: part.length }
      map.forget(at)
      if (!Array.isArray(around)) map.setKey(at, range)
      map.setValue(at, range)
      if (!isLast) holder[part] = {}
    }
    if (isLast) {
      holder[part] = value.data.v ?? null
      map.graft(at, value.map, '/v')
      return undefined
    }
    const next: Json = holder[part]!
    if (!isObject(next) && !Array.isArray(next))
      return problem(`${[...path.slice(0, i + 1)].join('.')} is a single value: it has no keys.`, 'set it as a whole')
    around = next as JsonObject | Json[]
    column += part.length + 1
  }
  return undefined
}
